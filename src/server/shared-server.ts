import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { hasToken } from '../handshake/fields.ts';
import { forceDestroy } from '../transport/destroy-stream.ts';
import { unref } from '../transport/timer.ts';
import { maxTimerDelay } from '../transport/transport-settings.ts';
import { isTaken, mayBeTaken } from './claim.ts';

/** One of several servers that handle the upgrades of an HTTP server. */
export interface Sharer {
  /**
   * True if this server handles the request. An exception counts as true: the same call throws again during the
   * upgrade, where it gets its response.
   */
  shouldHandle(request: IncomingMessage): boolean | Promise<boolean>;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Returns the option `handshakeTimeout`: milliseconds, 0 for none. */
  handshakeTimeout(): number;
}

interface Share {
  /** In the order in which they were added. */
  readonly sharers: Set<Sharer>;
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

const shares = new WeakMap<Server, Share>();

/**
 * Adds a server to those that share the upgrades of an HTTP server. Each request goes to exactly one of them: the first
 * whose `shouldHandle` accepts it, or else the first of all, which refuses it. A single listener decides for all, so
 * that no two servers use the same socket.
 *
 * Other code may have listeners for upgrades too: a development server, or another copy of this package. With them, a
 * request that no sharer handles is left to them, and a socket that one of them has taken is not touched.
 */
export function share(server: Server, sharer: Sharer): void {
  const present = shares.get(server);
  // The application may have removed the listener, and with it all sharers: they then get no requests, as in ws.
  if (present !== undefined && server.listeners('upgrade').includes(present.onUpgrade)) {
    present.sharers.add(sharer);
    return;
  }
  const sharers = new Set([sharer]);
  const onUpgrade: Share['onUpgrade'] = (request, socket, head) => {
    if (!hasOtherListeners(server)) choose(sharers, request)?.upgrade(request, socket, head);
    else if (!isTaken(socket)) offer(sharers, request, socket, head);
  };
  shares.set(server, { sharers, onUpgrade });
  server.on('upgrade', onUpgrade);
}

/** Removes a server from those that share the upgrades. */
export function unshare(server: Server, sharer: Sharer): void {
  const present = shares.get(server);
  if (!present?.sharers.delete(sharer) || present.sharers.size > 0) return;
  server.removeListener('upgrade', present.onUpgrade);
  shares.delete(server);
}

function choose(sharers: Set<Sharer>, request: IncomingMessage): Sharer | undefined {
  const [first] = sharers;
  if (sharers.size === 1) return first;
  for (const sharer of sharers) if (wants(sharer, request)) return sharer;
  return first;
}

/** Returns true if the HTTP server has listeners for upgrades besides ours. */
export function hasOtherListeners(server: Server): boolean {
  return server.listenerCount('upgrade') > 1;
}

/** Passes a request to the first sharer that handles it. Without one, leaves it to other listeners. */
function offer(sharers: Set<Sharer>, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  // Requests that a program emits may have no fields.
  if (hasToken(request.headers?.upgrade, 'websocket')) {
    for (const sharer of sharers) {
      if (!wants(sharer, request)) continue;
      sharer.upgrade(request, socket, head);
      return;
    }
  }
  const [first] = sharers;
  if (first !== undefined) leaveUnanswered(socket, first.handshakeTimeout());
}

/**
 * Leaves a socket to other listeners. If nobody has written to it or taken it after `timeout` milliseconds, the socket is
 * destroyed without a response. An error of it is not uncaught meanwhile. The timer does not keep the process alive,
 * unless the platform's timers are numbers.
 * @param timeout 0 for no timeout.
 */
export function leaveUnanswered(socket: Duplex, timeout: number): void {
  const written = () => (socket as Partial<Socket>).bytesWritten;
  const before = written();
  // Node.js has removed its own listener. The socket is destroyed by its error, and then forgotten.
  socket.on('error', () => {});
  if (!(timeout > 0)) return;
  const destroyUnanswered = () => {
    if (written() === before && !mayBeTaken(socket)) forceDestroy(socket);
  };
  unref(setTimeout(destroyUnanswered, Math.min(timeout, maxTimerDelay)));
}

/**
 * True if a server handles a request, as far as can be decided synchronously: a promise and an exception count as true.
 */
export function wants(sharer: Pick<Sharer, 'shouldHandle'>, request: IncomingMessage): boolean {
  try {
    const answer = sharer.shouldHandle(request);
    // This promise is discarded, because the server is asked again later. Otherwise its rejection would be unhandled
    // and end the process.
    if (typeof answer === 'object') Promise.resolve(answer).catch(() => {});
    return Boolean(answer);
  } catch {
    return true;
  }
}
