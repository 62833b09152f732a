import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

// An application, a tracer or a throttle may put a function of its own between a socket and the kernel: `socket.write = …`, a subclass with
// its own `_write`, a handle of its own, a patched `Socket.prototype`. Such a function may keep a chunk, or pass it on later. It must never
// get memory that will be used again, because it would then hold, or send, the octets of another connection.

/** Socket as far as this file looks at it. Names that begin with `_` are not documented. */
interface WriteFunctions {
  readonly write: unknown;
  readonly _write: unknown;
  readonly _writev: unknown;
  readonly _writeGeneric: unknown;
}

interface SocketWithHandle extends WriteFunctions {
  readonly connecting?: unknown;
  readonly _writableState?: { readonly writing?: unknown };
  readonly _handle?: {
    readonly writeBuffer?: unknown;
    readonly writev?: unknown;
    readonly constructor?: unknown;
  } | null;
}

/** Functions of `Socket.prototype`, once a trace has shown that all of them are Node's; null if one is not, undefined before the trace. */
let ownFunctions: WriteFunctions | null | undefined;

/** Modules of Node that a write passes through on its way to the handle. Others, such as those of `performance.timerify()`, show it to others. */
const modulesOfWrite = new Set(['node:net', 'node:internal/stream_base_commons', 'node:internal/streams/writable']);

/** Native methods of the handle that was looked at last. */
let lastWriteBuffer: unknown;
let lastWritev: unknown;
/** All native methods that were found so far: of TCP and pipe handles together, and of TLS handles. At most four. */
const nativeMethods = new Set<unknown>();
const nativeHandles = new Set(['TCP', 'Pipe', 'TLSWrap']);
const sourceOf = Function.prototype.toString;

/**
 * Returns true if all that is written to the stream goes to the kernel through Node's own functions alone, as they are at this moment: a
 * TCP, TLS or Unix socket that nobody has wrapped. Once such a stream has `writableLength` 0, no one holds what was written. False for any
 * other stream. Throws nothing.
 */
export function isNodeSocket(stream: Duplex): boolean {
  if (ownFunctions === undefined) ownFunctions = findOwnFunctions();
  if (ownFunctions === null) return false;
  const socket = stream as unknown as SocketWithHandle;
  return (
    socket.write === ownFunctions.write &&
    socket._write === ownFunctions._write &&
    socket._writev === ownFunctions._writev &&
    socket._writeGeneric === ownFunctions._writeGeneric &&
    hasNativeHandle(socket)
  );
}

/**
 * Returns true if Node passes the next write of such a stream to the handle before it returns. Otherwise Node keeps the chunk, and a
 * function that is put in the way meanwhile gets it: while the socket is corked or connects, or behind a write, even one of no octets.
 */
export function writesAtOnce(stream: Duplex): boolean {
  const { connecting, _writableState: state } = stream as unknown as SocketWithHandle;
  return stream.writableLength === 0 && stream.writableCorked === 0 && connecting === false && state?.writing === false;
}

function hasNativeHandle({ _handle: handle }: SocketWithHandle): boolean {
  if (handle === null || handle === undefined) return false;
  const { writeBuffer, writev } = handle;
  if (writeBuffer === lastWriteBuffer && writev === lastWritev) return writeBuffer !== undefined;
  if (!(nativeMethods.has(writeBuffer) && nativeMethods.has(writev))) {
    // Other native handles may pass the memory on to a stream in JavaScript.
    const handleClass = handle.constructor;
    if (typeof handleClass !== 'function' || !nativeHandles.has(handleClass.name)) return false;
    if (!isNative(writeBuffer, 'writeBuffer') || !isNative(writev, 'writev')) return false;
    nativeMethods.add(writeBuffer).add(writev);
  }
  lastWriteBuffer = writeBuffer;
  lastWritev = writev;
  return true;
}

/** A bound function or a Proxy is native code too, but has no name in its source. */
function isNative(method: unknown, name: string): boolean {
  return typeof method === 'function' && sourceOf.call(method) === `function ${name}() { [native code] }`;
}

/** False for a bound function, a Proxy and a function of an addon. None of them stands in a trace, and a Proxy may get a trap later. */
function isJavaScript(written: unknown): boolean {
  return typeof written === 'function' && !sourceOf.call(written).endsWith('{ [native code] }');
}

/**
 * Writes to a socket whose handle takes a stack trace. A function that was put in the way, be it before goodwire was loaded, stands in that
 * trace, or the handle is not reached in time.
 */
function findOwnFunctions(): WriteFunctions | null {
  const { write, _write, _writev, _writeGeneric } = Socket.prototype as unknown as WriteFunctions;
  try {
    const isOwn =
      [write, _write, _writev, _writeGeneric].every(isJavaScript) &&
      reachesHandle((socket) => socket.write(Buffer.of(0))) &&
      reachesHandle((socket) => {
        socket.cork();
        socket.write(Buffer.of(0));
        socket.write(Buffer.of(0));
        socket.uncork();
      });
    return isOwn ? { write, _write, _writev, _writeGeneric } : null;
  } catch {
    return null;
  }
}

/** Returns true if the handle is called inside `write`, and by functions of {@link modulesOfWrite} only. */
function reachesHandle(write: (socket: Socket) => void): boolean {
  let sites: readonly NodeJS.CallSite[] = [];
  const reached = (): number => {
    sites = callSites();
    return 0;
  };
  const handle = {
    writeBuffer: reached,
    writev: reached,
    readStart: () => 0,
    readStop: () => 0,
    close: (callback?: () => void) => callback?.(),
  };
  const socket = new Socket({ handle, manualStart: true } as object);
  socket.on('error', () => {});
  const depth = callSites().length;
  write(socket);
  socket.destroy();
  // Above this function's frame lie, from the top: callSites, the handle's function, those that called it, and `write`.
  const between = sites.slice(2, sites.length - depth);
  return between.length > 0 && between.every((site) => modulesOfWrite.has(site.getFileName() ?? ''));
}

function callSites(): readonly NodeJS.CallSite[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = Number.POSITIVE_INFINITY;
    Error.prepareStackTrace = (_error, sites) => sites;
    const { stack } = new Error();
    return Array.isArray(stack) ? stack : [];
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    if (prepareStackTrace === undefined) Reflect.deleteProperty(Error, 'prepareStackTrace');
    else Error.prepareStackTrace = prepareStackTrace;
  }
}
