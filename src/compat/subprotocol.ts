import { parseSubprotocolsStrictly } from '../handshake/subprotocols.ts';

/**
 * `subprotocol` of `ws`: `parse(header)` returns the names in a `Sec-WebSocket-Protocol` field (RFC 6455 §11.3.4) as a
 * Set.
 * @throws SyntaxError if the header is malformed or a name is duplicated.
 */
export const subprotocol = { parse: parseSubprotocolsStrictly };
