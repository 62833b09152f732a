import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** One of several servers that handle the upgrades of an HTTP server. */
export interface Sharer {
  /**
   * True if this server handles the request. An exception counts as true: the same call throws again during the
   * upgrade, where it gets its response.
   */
  shouldHandle(request: IncomingMessage): boolean | Promise<boolean>;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
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
    choose(sharers, request)?.upgrade(request, socket, head);
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
