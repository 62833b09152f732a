// The names of a WebSocket's own fields and methods. They are symbols, and not #private names, because a socket of ws may stand
// behind a Proxy, or be the prototype of another object, and with #private names every call would throw there. Nobody's fields can
// run into them, and V8 finds both in the same time.

/** @internal */
export const abort: unique symbol = Symbol('goodwire.abort');
/** @internal */
export const attempt: unique symbol = Symbol('goodwire.attempt');
/** @internal */
export const binaryType: unique symbol = Symbol('goodwire.binaryType');
/** @internal */
export const deflate: unique symbol = Symbol('goodwire.deflate');
/** @internal */
export const emitError: unique symbol = Symbol('goodwire.emitError');
/** @internal */
export const end: unique symbol = Symbol('goodwire.end');
/** @internal */
export const ending: unique symbol = Symbol('goodwire.ending');
/** @internal */
export const failToOpen: unique symbol = Symbol('goodwire.failToOpen');
/** @internal */
export const finish: unique symbol = Symbol('goodwire.finish');
/** @internal */
export const isServer: unique symbol = Symbol('goodwire.isServer');
/** @internal */
export const options: unique symbol = Symbol('goodwire.options');
/** @internal */
export const protocol: unique symbol = Symbol('goodwire.protocol');
/** @internal */
export const readyState: unique symbol = Symbol('goodwire.readyState');
/** @internal */
export const sendControl: unique symbol = Symbol('goodwire.sendControl');
/** @internal */
export const sendTooLate: unique symbol = Symbol('goodwire.sendTooLate');
/** @internal */
export const transport: unique symbol = Symbol('goodwire.transport');
/** @internal */
export const url: unique symbol = Symbol('goodwire.url');
