const tab = 0x09;
const space = 0x20;
const del = 0x7f;

/** tchar of RFC 9110 §5.6.2: 1 for each ASCII code that is valid in a token. */
const tokenCodes = new Uint8Array(128);
for (const character of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
  tokenCodes[character.charCodeAt(0)] = 1;
}

/**
 * True if a UTF-16 code unit is valid in a token (RFC 9110 §5.6.2). False for NaN, which charCodeAt returns beyond the
 * end of a string.
 */
export function isTokenCode(code: number): boolean {
  return tokenCodes[code] === 1;
}

/** True if a UTF-16 code unit is optional whitespace, a space or a tab (RFC 9110 §5.6.3). */
export function isWhitespaceCode(code: number): boolean {
  return code === space || code === tab;
}

/**
 * Returns the index of the first code unit from `start` on that is invalid in a token; `start` itself if there is no
 * token.
 */
export function endOfToken(text: string, start: number): number {
  let index = start;
  while (isTokenCode(text.charCodeAt(index))) index++;
  return index;
}

/** Returns the index of the first code unit from `start` on that is neither a space nor a tab. */
export function endOfWhitespace(text: string, start: number): number {
  let index = start;
  while (isWhitespaceCode(text.charCodeAt(index))) index++;
  return index;
}

/** Returns the error for a malformed field value. The wording is that of `ws`. */
export function unexpectedAt(text: string, index: number): SyntaxError {
  return new SyntaxError(index < text.length ? `Unexpected character at index ${index}` : 'Unexpected end of input');
}

/** True if a text is a token: one or more tchar (RFC 9110 §5.6.2). Subprotocols and extension names are tokens. */
export function isToken(text: string): boolean {
  return text.length > 0 && endOfToken(text, 0) === text.length;
}

/**
 * True if a comma-separated field value lists a token, in any case (RFC 9110 §5.6.1): `Connection: keep-alive, Upgrade`
 * lists `upgrade`. Empty elements and elements that are not tokens are skipped. False if the field is absent.
 */
export function hasToken(fieldValue: string | undefined, token: string): boolean {
  if (fieldValue === undefined) return false;
  const wanted = token.toLowerCase();
  // Fast path, because nearly every request has exactly this one token.
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
 * True if a text can be sent as a field value, one octet per code unit, as `node:http` does. Valid are tabs, spaces,
 * visible ASCII and 0x80–0xFF (RFC 9110 §5.5). CR, LF, NUL and other control characters are invalid, because they could
 * end the field and begin another.
 */
export function isFieldValue(text: string): boolean {
  return isSafeUpTo(text, 0xff);
}

/** True if a text has no control character except the tab. In UTF-8 such a text stays on its line of a header. */
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
