import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { hasToken } from '../handshake/fields.ts';
import { useHostOfTarget } from '../handshake/request-target.ts';
import { forceDestroy } from '../transport/destroy-stream.ts';
import { reportLimit } from '../transport/diagnostics.ts';
import { type TimerHandle, unref } from '../transport/timer.ts';
import { maxTimerDelay } from '../transport/transport-settings.ts';
import { isTaken, mayBeTaken } from './claim.ts';
import { afterEarlierResponses, earlierResponse } from './earlier-responses.ts';

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
  readonly onUpgrade: UpgradeListener;
  /**
   * Listener in front of all others, if there are others. It notes the octets that were written to the socket before the
   * request.
   */
  readonly onArrival: UpgradeListener;
  /** Adds {@link onArrival} when another listener comes. */
  readonly onNewListener: (event: string | symbol) => void;
  /** For each socket that was left to others: ends it if nobody has taken it. */
  readonly unanswered: Set<() => void>;
}

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

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
  if (present !== undefined) forgetArrivals(server, present);
  const sharers = new Set([sharer]);
  const unanswered = new Set<() => void>();
  /** Octets that the responses to earlier requests on the same connection have. */
  const writtenBefore = new WeakMap<Duplex, number>();
  const onArrival: UpgradeListener = (_request, socket) => void writtenBefore.set(socket, writtenTo(socket));
  const onUpgrade: UpgradeListener = (request, socket, head) => {
    try {
      // Before the servers are asked whether they handle the request.
      useHostOfTarget(request);
    } catch {
      // Otherwise a request whose properties throw would be an uncaught exception. The chosen server refuses it.
    }
    if (!hasOtherListeners(server)) {
      choose(sharers, request)?.upgrade(request, socket, head);
    } else if (!isTaken(socket, writtenBefore.get(socket) ?? writtenTo(socket))) {
      // Requests that a program emits may have no fields.
      const isOurs = hasToken(request.headers?.upgrade, 'websocket');
      const chosen = isOurs ? firstThatWants(sharers, request) : undefined;
      const [first = sharer] = sharers;
      if (chosen !== undefined) chosen.upgrade(request, socket, head);
      else leaveUnanswered(server, request, socket, first.handshakeTimeout());
    }
  };
  // Only with other listeners: programs take the only listener of a server with ws, to call it themselves.
  const onNewListener = (event: string | symbol) => {
    if (event !== 'upgrade') return;
    server.removeListener('newListener', onNewListener);
    server.prependListener('upgrade', onArrival);
  };
  shares.set(server, { sharers, onUpgrade, onArrival, onNewListener, unanswered });
  const isAlone = server.listenerCount('upgrade') === 0;
  server.on('upgrade', onUpgrade);
  server.on('newListener', onNewListener);
  if (!isAlone) onNewListener('upgrade');
}

function forgetArrivals(server: Server, { onArrival, onNewListener }: Share): void {
  server.removeListener('newListener', onNewListener);
  server.removeListener('upgrade', onArrival);
}

/** Removes a server from those that share the upgrades. */
export function unshare(server: Server, sharer: Sharer): void {
  const present = shares.get(server);
  if (!present?.sharers.delete(sharer) || present.sharers.size > 0) return;
  server.removeListener('upgrade', present.onUpgrade);
  forgetArrivals(server, present);
  shares.delete(server);
  // Otherwise the HTTP server's own close() would wait for them until their timeout.
  for (const end of present.unanswered) end();
}

function choose(sharers: Set<Sharer>, request: IncomingMessage): Sharer | undefined {
  const [first] = sharers;
  return sharers.size === 1 ? first : (firstThatWants(sharers, request) ?? first);
}

function firstThatWants(sharers: Set<Sharer>, request: IncomingMessage): Sharer | undefined {
  for (const sharer of sharers) if (wants(sharer, request)) return sharer;
  return undefined;
}

/** Returns true if the HTTP server has listeners for upgrades besides ours, or besides one that calls ours. */
export function hasOtherListeners(server: Server): boolean {
  const count = server.listenerCount('upgrade');
  if (count < 2) return false;
  const present = shares.get(server);
  return present === undefined || count > 2 || !server.listeners('upgrade').includes(present.onArrival);
}

/** Returns the number of octets written to a socket; 0 for other streams. */
function writtenTo(socket: Duplex): number {
  return (socket as Partial<Socket>).bytesWritten ?? 0;
}

/**
 * Leaves a socket to the other listeners of its HTTP server. If nobody has written to it or taken it after `timeout`
 * milliseconds, or when the last of our servers has closed and the responses to earlier requests are written, the socket
 * is destroyed without a response. An error of it is not uncaught meanwhile. The timer does not keep the process alive, unless the platform's timers are numbers.
 * @param timeout 0 for no timeout.
 */
export function leaveUnanswered(server: Server, request: IncomingMessage, socket: Duplex, timeout: number): void {
  const { unanswered } = shares.get(server) ?? {};
  const earlier = earlierResponse(request);
  let awaitsTurn = earlier !== undefined;
  let endsInTurn = false;
  let before = writtenTo(socket);
  let timer: TimerHandle;
  const forget = () => {
    clearTimeout(timer);
    unanswered?.delete(end);
  };
  const destroy = () => {
    forget();
    // The response to an earlier request is no answer to this one.
    const isAnswered = !awaitsTurn && writtenTo(socket) !== before;
    if (isAnswered || mayBeTaken(socket)) return false;
    forceDestroy(socket);
    return true;
  };
  const end = () => {
    // Otherwise the client would not get the response of the application to the earlier request.
    if (awaitsTurn) endsInTurn = true;
    else destroy();
  };
  const endLate = () => {
    if (destroy()) reportLimit(() => ({ limit: 'handshakeTimeout', value: timeout, socket }));
  };
  const written = () => {
    awaitsTurn = false;
    before = writtenTo(socket);
    if (endsInTurn) destroy();
  };
  if (earlier !== undefined) afterEarlierResponses(request, earlier, { written, closed: () => {} });
  // Node.js has removed its own listener. The socket is destroyed by its error, and then forgotten.
  socket.on('error', () => {});
  socket.on('close', forget);
  unanswered?.add(end);
  if (!(timeout > 0)) return;
  timer = setTimeout(endLate, Math.min(timeout, maxTimerDelay));
  unref(timer);
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
