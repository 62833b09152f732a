// Symbols of a WebSocketServer's own fields and methods; src/websocket/own.ts gives the reason.

/** @internal */
export const addClient: unique symbol = Symbol('goodwire.addClient');
/** @internal */
export const attach: unique symbol = Symbol('goodwire.attach');
/** @internal */
export const awaitsClients: unique symbol = Symbol('goodwire.awaitsClients');
/** @internal */
export const closeTimer: unique symbol = Symbol('goodwire.closeTimer');
/** @internal */
export const createHost: unique symbol = Symbol('goodwire.createHost');
/** @internal */
export const detach: unique symbol = Symbol('goodwire.detach');
/** @internal */
export const emitClose: unique symbol = Symbol('goodwire.emitClose');
/** @internal */
export const emitConnection: unique symbol = Symbol('goodwire.emitConnection');
/** @internal */
export const emitError: unique symbol = Symbol('goodwire.emitError');
/** @internal */
export const emitListening: unique symbol = Symbol('goodwire.emitListening');
/** @internal */
export const endHandshakes: unique symbol = Symbol('goodwire.endHandshakes');
/** @internal */
export const forget: unique symbol = Symbol('goodwire.forget');
/** @internal */
export const host: unique symbol = Symbol('goodwire.host');
/** @internal */
export const isOwnServer: unique symbol = Symbol('goodwire.isOwnServer');
/** @internal */
export const removeClient: unique symbol = Symbol('goodwire.removeClient');
/** @internal */
export const server: unique symbol = Symbol('goodwire.server');
/** @internal */
export const pending: unique symbol = Symbol('goodwire.pending');
/** @internal */
export const sharer: unique symbol = Symbol('goodwire.sharer');
/** @internal */
export const state: unique symbol = Symbol('goodwire.state');
/** @internal */
export const unasked: unique symbol = Symbol('goodwire.unasked');
/** @internal */
export const unaskedLimits: unique symbol = Symbol('goodwire.unaskedLimits');
