import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

// An application, a tracer or a throttle may put a function of its own between a socket and the kernel: `socket.write = …`, a subclass with
// its own `_write`, a handle of its own, a patched `Socket.prototype`. Such a function may keep a chunk, or pass it on later. It must never
// get memory that is used again. Otherwise it would hold, or send, the octets of another connection.

/** Functions that a write passes through. Node does not document the names that begin with `_`. */
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

/** Functions of `Socket.prototype` if a stack trace has shown that all are Node's; null if one is not; undefined before the trace. */
let ownFunctions: WriteFunctions | null | undefined;

/**
 * Modules of Node that a write passes through. Other modules of Node, such as that of `performance.timerify()`, call functions of others.
 */
const modulesOfWrite = new Set(['node:net', 'node:internal/stream_base_commons', 'node:internal/streams/writable']);

/** Cache: the native methods of the handle that was checked last. */
let lastWriteBuffer: unknown;
let lastWritev: unknown;
/** All native methods found so far. TCP and pipe handles share theirs, TLS handles have others: at most four. */
const nativeMethods = new Set<unknown>();
const nativeHandles = new Set(['TCP', 'Pipe', 'TLSWrap']);
const sourceOf = Function.prototype.toString;

/**
 * Returns true if a write to the stream reaches the kernel through Node's own functions only. That is so for a TCP, TLS or Unix socket
 * whose functions are not replaced at this moment. When such a stream has `writableLength` 0, no function holds a written chunk. False
 * for any other stream. Throws nothing.
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
 * Returns true if Node passes the next write of such a stream to the handle before the write returns. Otherwise Node keeps the chunk, and a
 * function that is put in its way meanwhile would get the chunk. Node keeps it while the socket is corked or connects, or behind another
 * write, even an empty one.
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
    // Otherwise another native handle would be accepted, which may pass the memory on to a stream in JavaScript.
    const handleClass = handle.constructor;
    if (typeof handleClass !== 'function' || !nativeHandles.has(handleClass.name)) return false;
    if (!isNative(writeBuffer, 'writeBuffer') || !isNative(writev, 'writev')) return false;
    nativeMethods.add(writeBuffer).add(writev);
  }
  lastWriteBuffer = writeBuffer;
  lastWritev = writev;
  return true;
}

/** Returns true for a native method of this name. The source of a bound function or a Proxy is native too, but without a name. */
function isNative(method: unknown, name: string): boolean {
  return typeof method === 'function' && sourceOf.call(method) === `function ${name}() { [native code] }`;
}

/**
 * Returns false for a bound function, a Proxy and a function of an addon. None of them appears in a stack trace, and a Proxy may get a trap
 * later.
 */
function isJavaScript(written: unknown): boolean {
  return typeof written === 'function' && !sourceOf.call(written).endsWith('{ [native code] }');
}

/**
 * Returns the functions of `Socket.prototype`, or null if one of them is not Node's. Writes to a socket whose handle takes a stack trace. A
 * function that was put in the way, also before goodwire was loaded, appears in that trace, or keeps the write from the handle.
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
  // The trace has, from the top: callSites, the handle's function, its callers, and the frames from `write` down.
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
