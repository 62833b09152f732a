import { parseSubprotocols } from '../handshake/subprotocols.ts';

/**
 * The `subprotocol` of `ws`: `parse(header)` gives the names of a `Sec-WebSocket-Protocol` field (RFC 6455 §11.3.4) as a Set, and throws
 * a SyntaxError when the header is malformed or a name comes twice.
 */
export const subprotocol = { parse: parseSubprotocols };
