const tab = 0x09;
const space = 0x20;
const del = 0x7f;

/** tchar of RFC 9110 §5.6.2: 1 for the ASCII codes that may stand in a token. */
const tokenCodes = new Uint8Array(128);
for (const character of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
  tokenCodes[character.charCodeAt(0)] = 1;
}

/** Whether a UTF-16 code unit may stand in a token (RFC 9110 §5.6.2). NaN, which is beyond the end of a string, may not. */
export function isTokenCode(code: number): boolean {
  return tokenCodes[code] === 1;
}

/** Whether a UTF-16 code unit is optional whitespace, a space or a tab (RFC 9110 §5.6.3). */
export function isWhitespaceCode(code: number): boolean {
  return code === space || code === tab;
}

/** The index of the first code unit from `start` on that may not stand in a token; `start` itself if there is no token. */
export function endOfToken(text: string, start: number): number {
  let index = start;
  while (isTokenCode(text.charCodeAt(index))) index++;
  return index;
}

/** The index of the first code unit from `start` on that is neither a space nor a tab. */
export function endOfWhitespace(text: string, start: number): number {
  let index = start;
  while (isWhitespaceCode(text.charCodeAt(index))) index++;
  return index;
}

/** The grammar error of a field value, in the words that programs written for `ws` know. */
export function unexpectedAt(text: string, index: number): SyntaxError {
  return new SyntaxError(index < text.length ? `Unexpected character at index ${index}` : 'Unexpected end of input');
}

/** Whether a text is a token: one or more tchar (RFC 9110 §5.6.2). Subprotocols and extension names are tokens. */
export function isToken(text: string): boolean {
  return text.length > 0 && endOfToken(text, 0) === text.length;
}

/**
 * Whether a comma-separated field value lists a token, whatever the case (RFC 9110 §5.6.1): `Connection: keep-alive, Upgrade`
 * has `upgrade`. Empty elements are skipped, elements that are no token are passed over. False for a field that is absent.
 */
export function hasToken(fieldValue: string | undefined, token: string): boolean {
  if (fieldValue === undefined) return false;
  const wanted = token.toLowerCase();
  // Nearly every request has exactly this one token.
  if (fieldValue.length === wanted.length && fieldValue.toLowerCase() === wanted) return true;
  let index = 0;
  while (index < fieldValue.length) {
    const comesAt = fieldValue.indexOf(',', index);
    const end = comesAt === -1 ? fieldValue.length : comesAt;
    if (isElement(fieldValue, index, end, wanted)) return true;
    index = end + 1;
  }
  return false;
}

function isElement(text: string, from: number, to: number, wanted: string): boolean {
  const start = endOfWhitespace(text, from);
  if (start + wanted.length > to) return false;
  const end = start + wanted.length;
  if (text.slice(start, end).toLowerCase() !== wanted) return false;
  return endOfWhitespace(text, end) === to;
}

/**
 * Whether a text can be sent as a field value, one octet for each code unit, as `node:http` does it: tabs, spaces, visible ASCII
 * and 0x80–0xFF (RFC 9110 §5.5). CR, LF, NUL and every other control character are out: they would end the field and begin another.
 */
export function isFieldValue(text: string): boolean {
  return isSafeUpTo(text, 0xff);
}

/** Whether a text has no control character but the tab: written in UTF-8 it stays on its line of a header, whatever else it holds. */
export function isSingleLine(text: string): boolean {
  return isSafeUpTo(text, 0xffff);
}

function isSafeUpTo(text: string, highest: number): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > highest || code === del || (code < space && code !== tab)) return false;
  }
  return true;
}
