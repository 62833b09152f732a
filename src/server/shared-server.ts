import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** One of several who handle the upgrades of an HTTP server. */
export interface Sharer {
  /** Whether a request is for it. What it throws counts as yes: it throws again when it is asked to upgrade, and is answered for it. */
  shouldHandle(request: IncomingMessage): boolean | Promise<boolean>;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

interface Share {
  /** In the order in which they came. */
  readonly sharers: Set<Sharer>;
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

const shares = new WeakMap<Server, Share>();

/**
 * Lets somebody have a share in the upgrades of an HTTP server. Each request goes to exactly one: the first who wants it, or the
 * first of all, who refuses it. One listener for all of them decides, so that no two ever touch the same socket.
 */
export function share(server: Server, sharer: Sharer): void {
  const present = shares.get(server);
  // The application may have taken the listener away, and with it those who shared it: they get nothing any more, as in ws.
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

/** Takes the share away again. */
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

/** Whether a request is for somebody, as far as that can be said at once: a promise is a yes, and so is what throws. */
export function wants(sharer: Pick<Sharer, 'shouldHandle'>, request: IncomingMessage): boolean {
  try {
    const answer = sharer.shouldHandle(request);
    // Nobody waits for this promise: it is asked for again. Its rejection would be an unhandled one, and end the process.
    if (typeof answer === 'object') Promise.resolve(answer).catch(() => {});
    return Boolean(answer);
  } catch {
    return true;
  }
}
