// Names of a WebSocket's own fields and methods: symbols, and not #private names, because programs wrap sockets of ws in a Proxy, or make
// them the prototype of another object. With #private names every call through such an object would throw. No field of an application can
// have the same name, and V8 reads both kinds in the same time. See CONTRIBUTING.md, "Privacy".

/** @internal */
export const abort: unique symbol = Symbol('goodwire.abort');
/** @internal */
export const attempt: unique symbol = Symbol('goodwire.attempt');
/** @internal */
export const binaryType: unique symbol = Symbol('goodwire.binaryType');
/** @internal */
export const closeRecord: unique symbol = Symbol('goodwire.closeRecord');
/** @internal */
export const deflate: unique symbol = Symbol('goodwire.deflate');
/** @internal */
export const emitError: unique symbol = Symbol('goodwire.emitError');
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
export const recordClose: unique symbol = Symbol('goodwire.recordClose');
/** @internal */
export const sendControl: unique symbol = Symbol('goodwire.sendControl');
/** @internal */
export const sendTooLate: unique symbol = Symbol('goodwire.sendTooLate');
/** @internal */
export const transport: unique symbol = Symbol('goodwire.transport');
/** @internal */
export const url: unique symbol = Symbol('goodwire.url');
