import { endOfToken, endOfWhitespace, isToken, isTokenCode, unexpectedAt } from './fields.ts';

const quote = 0x22;
const comma = 0x2c;
const semicolon = 0x3b;
const equals = 0x3d;
const backslash = 0x5c;

/** A parameter of an extension; `true` is one that stands alone, without a value. A name may come several times. */
export type ExtensionParameter = readonly [name: string, value: string | true];

/** One element of a `Sec-WebSocket-Extensions` field (RFC 6455 §9.1): an extension, offered or agreed, with its parameters in order. */
export interface Extension {
  readonly name: string;
  readonly parameters: readonly ExtensionParameter[];
}

/** Where a parse stands. Values cannot be returned beside the new index without an object for each. */
interface Cursor {
  readonly text: string;
  index: number;
}

/**
 * The extensions of a `Sec-WebSocket-Extensions` field, in order (RFC 6455 §9.1): tokens, with parameters whose values are tokens or
 * quoted strings that are tokens once unquoted. Names mean nothing here: `__proto__` is a name like any other. Takes linear time.
 * @throws SyntaxError when it is anything else.
 */
export function parseExtensions(header: string): Extension[] {
  const cursor: Cursor = { text: header, index: 0 };
  const extensions: Extension[] = [];
  for (;;) {
    const name = readToken(cursor);
    const parameters: ExtensionParameter[] = [];
    let separator = readSeparator(cursor);
    while (separator === semicolon) {
      parameters.push(readParameter(cursor));
      separator = readSeparator(cursor);
    }
    extensions.push({ name, parameters });
    if (separator !== comma) return extensions;
  }
}

function readToken(cursor: Cursor): string {
  const { text, index } = cursor;
  const end = endOfToken(text, index);
  if (end === index) throw unexpectedAt(text, index);
  cursor.index = end;
  return text.slice(index, end);
}

function readParameter(cursor: Cursor): ExtensionParameter {
  const name = readToken(cursor);
  if (cursor.text.charCodeAt(cursor.index) !== equals) return [name, true];
  cursor.index++;
  if (cursor.text.charCodeAt(cursor.index) !== quote) return [name, readToken(cursor)];
  return [name, readQuoted(cursor)];
}

/**
 * A quoted string, from its opening quote on. "When using the quoted-string syntax variant, the value after quoted-string
 * unescaping MUST conform to the 'token' ABNF" (§9.1), so that nothing but tchar may stand in it, escaped or not.
 */
function readQuoted(cursor: Cursor): string {
  const { text } = cursor;
  const start = cursor.index + 1;
  let index = start;
  let value = '';
  let copied = start;
  for (;;) {
    const code = text.charCodeAt(index);
    if (code === quote && index > start) break;
    if (code === backslash) {
      value += text.slice(copied, index);
      copied = ++index;
    }
    if (!isTokenCode(text.charCodeAt(index))) throw unexpectedAt(text, index);
    index++;
  }
  cursor.index = index + 1;
  return value + text.slice(copied, index);
}

/** Passes over the separator after an element and the whitespace about it, and tells which it was; NaN at the end of the text. */
function readSeparator(cursor: Cursor): number {
  const { text, index } = cursor;
  const next = endOfWhitespace(text, index);
  const code = text.charCodeAt(next);
  if (next === text.length ? next > index : code !== comma && code !== semicolon) throw unexpectedAt(text, next);
  cursor.index = endOfWhitespace(text, next + 1);
  return code;
}

/**
 * The `Sec-WebSocket-Extensions` field of a list of extensions (RFC 6455 §9.1): `a; b=1, c`. What it gives, {@link parseExtensions} reads.
 * @throws TypeError when a name or a value is not a token, so that nothing can break out of the field.
 */
export function formatExtensions(extensions: readonly Extension[]): string {
  return extensions.map(formatExtension).join(', ');
}

function formatExtension({ name, parameters }: Extension): string {
  let text = requireToken(name);
  for (const [parameter, value] of parameters) {
    text += `; ${requireToken(parameter)}`;
    if (value !== true) text += `=${requireToken(value)}`;
  }
  return text;
}

function requireToken(text: string): string {
  if (!isToken(text))
    throw new TypeError(`Names and values of an extension must be tokens (RFC 6455 §9.1); got ${JSON.stringify(text)}`);
  return text;
}
