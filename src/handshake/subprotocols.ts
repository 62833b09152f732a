import { endOfToken, endOfWhitespace, unexpectedAt } from './fields.ts';

const comma = 0x2c;

/**
 * Parses a `Sec-WebSocket-Protocol` field and returns its subprotocols in order (RFC 6455 §4.1 item 10, §11.3.4): one
 * or more tokens, separated by commas, without duplicates. Case-sensitive. Elements of the list may be empty (RFC 9110
 * §5.6.1.2). Takes linear time.
 * @throws SyntaxError if the field is malformed, or has no subprotocol.
 */
export function parseSubprotocols(header: string): Set<string> {
  const subprotocols = new Set<string>();
  let index = endOfSeparators(header, 0);
  do {
    const end = requireToken(header, index);
    const next = endOfWhitespace(header, end);
    if (next < header.length && header.charCodeAt(next) !== comma) throw unexpectedAt(header, next);
    add(subprotocols, header.slice(index, end));
    index = endOfSeparators(header, next);
  } while (index < header.length);
  return subprotocols;
}

/**
 * Parses a field as `ws` does: without empty elements and without whitespace at either end.
 * @throws SyntaxError if the field is malformed, or has no subprotocol.
 */
export function parseSubprotocolsStrictly(header: string): Set<string> {
  const subprotocols = new Set<string>();
  let index = 0;
  for (;;) {
    const end = requireToken(header, index);
    const next = endOfWhitespace(header, end);
    const isLast = next === header.length;
    if (isLast ? next > end : header.charCodeAt(next) !== comma) throw unexpectedAt(header, next);
    add(subprotocols, header.slice(index, end));
    if (isLast) return subprotocols;
    index = endOfWhitespace(header, next + 1);
  }
}

/** Returns the index behind whitespace and commas. */
function endOfSeparators(header: string, start: number): number {
  let index = endOfWhitespace(header, start);
  while (header.charCodeAt(index) === comma) index = endOfWhitespace(header, index + 1);
  return index;
}

/** Returns the index behind the token at `index`. */
function requireToken(header: string, index: number): number {
  const end = endOfToken(header, index);
  if (end === index) throw unexpectedAt(header, index);
  return end;
}

function add(subprotocols: Set<string>, subprotocol: string): void {
  if (subprotocols.has(subprotocol)) throw new SyntaxError(`The "${subprotocol}" subprotocol is duplicated`);
  subprotocols.add(subprotocol);
}
