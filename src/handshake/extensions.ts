import { endOfToken, endOfWhitespace, isToken, isTokenCode, unexpectedAt } from './fields.ts';

const quote = 0x22;
const comma = 0x2c;
const semicolon = 0x3b;
const equals = 0x3d;
const backslash = 0x5c;

/** Parameter of an extension. `true` stands for a parameter without a value. Names may be repeated. */
export type ExtensionParameter = readonly [name: string, value: string | true];

/**
 * Element of a `Sec-WebSocket-Extensions` field (RFC 6455 §9.1): an extension, offered or accepted, with its parameters
 * in order.
 */
export interface Extension {
  readonly name: string;
  readonly parameters: readonly ExtensionParameter[];
}

/** Position of the parser. Returning a value together with the new index would need an object for each value. */
interface Cursor {
  readonly text: string;
  /** True to accept only what `ws` accepts. */
  readonly isStrict: boolean;
  index: number;
}

/**
 * Parses a `Sec-WebSocket-Extensions` field (RFC 6455 §9.1) and returns its extensions in order. Names are tokens;
 * values are tokens, or quoted strings that are tokens once unquoted. Names have no special meaning here: `__proto__`
 * is a valid name. Whitespace may surround every comma, semicolon and equals sign, and elements of the list may be
 * empty: the grammar of §9.1 is that of RFC 2616 §2.1, which allows both, as RFC 9110 §5.6.1.2 does for lists. A field
 * without any extension is valid. Takes linear time.
 * @throws SyntaxError if the field is malformed.
 */
export function parseExtensions(header: string): Extension[] {
  const cursor: Cursor = { text: header, index: 0, isStrict: false };
  const extensions: Extension[] = [];
  while (skipEmptyElements(cursor)) {
    const [extension] = readExtension(cursor);
    extensions.push(extension);
  }
  return extensions;
}

/**
 * Parses a field as `ws` does: without empty elements, and with whitespace only behind and before a comma or a
 * semicolon.
 * @throws SyntaxError if the field is malformed, or empty.
 */
export function parseExtensionsStrictly(header: string): Extension[] {
  const cursor: Cursor = { text: header, index: 0, isStrict: true };
  const extensions: Extension[] = [];
  for (;;) {
    const [extension, separator] = readExtension(cursor);
    extensions.push(extension);
    if (separator !== comma) return extensions;
  }
}

/** Skips empty elements of the list. Returns false at the end of the text. */
function skipEmptyElements(cursor: Cursor): boolean {
  const { text } = cursor;
  let index = endOfWhitespace(text, cursor.index);
  while (text.charCodeAt(index) === comma) index = endOfWhitespace(text, index + 1);
  cursor.index = index;
  return index < text.length;
}

/** Reads one element of the list and the separator behind it: a comma, or NaN at the end of the text. */
function readExtension(cursor: Cursor): [extension: Extension, separator: number] {
  const name = readToken(cursor);
  const parameters: ExtensionParameter[] = [];
  let separator = readSeparator(cursor);
  while (separator === semicolon) {
    parameters.push(readParameter(cursor));
    separator = readSeparator(cursor);
  }
  return [{ name, parameters }, separator];
}

function readToken(cursor: Cursor): string {
  const { text, index } = cursor;
  const end = endOfToken(text, index);
  if (end === index) throw unexpectedAt(text, index);
  cursor.index = end;
  return text.slice(index, end);
}

function readParameter(cursor: Cursor): ExtensionParameter {
  const { text, isStrict } = cursor;
  const name = readToken(cursor);
  const sign = isStrict ? cursor.index : endOfWhitespace(text, cursor.index);
  if (text.charCodeAt(sign) !== equals) return [name, true];
  cursor.index = isStrict ? sign + 1 : endOfWhitespace(text, sign + 1);
  if (text.charCodeAt(cursor.index) !== quote) return [name, readToken(cursor)];
  return [name, readQuoted(cursor)];
}

/**
 * Reads a quoted string from its opening quote on. "When using the quoted-string syntax variant, the value after
 * quoted-string unescaping MUST conform to the 'token' ABNF" (§9.1). Therefore only tchar are valid in it, escaped or
 * not.
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

/**
 * Skips the separator after an element and the whitespace around it. Returns the separator; NaN at the end of the text.
 */
function readSeparator(cursor: Cursor): number {
  const { text, index, isStrict } = cursor;
  const next = endOfWhitespace(text, index);
  const code = text.charCodeAt(next);
  const isInvalid = next === text.length ? isStrict && next > index : code !== comma && code !== semicolon;
  if (isInvalid) throw unexpectedAt(text, next);
  cursor.index = endOfWhitespace(text, next + 1);
  return code;
}

/**
 * Formats a `Sec-WebSocket-Extensions` field (RFC 6455 §9.1): `a; b=1, c`. {@link parseExtensions} reads the result.
 * @throws TypeError if a name or a value is not a token. Otherwise a value could break out of the field.
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
