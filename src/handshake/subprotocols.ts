import { endOfToken, endOfWhitespace, unexpectedAt } from './fields.ts';

const comma = 0x2c;

/**
 * Parses a `Sec-WebSocket-Protocol` field and returns its subprotocols in order (RFC 6455 §4.1 item 10, §11.3.4): one
 * or more tokens, separated by commas, without duplicates. Case-sensitive.
 * @throws SyntaxError if the field is malformed.
 */
export function parseSubprotocols(header: string): Set<string> {
  const subprotocols = new Set<string>();
  let index = 0;
  for (;;) {
    const end = endOfToken(header, index);
    if (end === index) throw unexpectedAt(header, index);
    const next = endOfWhitespace(header, end);
    const isLast = next === header.length;
    // Node trims field values, so whitespace at the end comes from another source, and `ws` rejects it too.
    if (isLast ? next > end : header.charCodeAt(next) !== comma) throw unexpectedAt(header, next);
    const subprotocol = header.slice(index, end);
    if (subprotocols.has(subprotocol)) throw new SyntaxError(`The "${subprotocol}" subprotocol is duplicated`);
    subprotocols.add(subprotocol);
    if (isLast) return subprotocols;
    index = endOfWhitespace(header, next + 1);
  }
}
