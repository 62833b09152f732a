import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Key of a claim. In the registry of all symbols, so that two copies of this package see each other's claims. */
const kClaim = Symbol.for('goodwire.claim');

/**
 * State of a socket of an upgrade request. `taken`: a server answers on it, or it is a WebSocket. `refused`: the
 * upgrade was refused. `released`: another server may take it, because a listener of `wsClientError` has it, or because
 * the request was not for the server that had it.
 */
export type Claim = 'taken' | 'refused' | 'released';

interface ClaimedStream extends Duplex {
  /** Set before a server answers on the socket, so that no other server writes to it. */
  [kClaim]?: Claim;
}

/** Returns the claim on a socket; undefined if no server of this package has had it. */
export function claimOf(socket: Duplex): Claim | undefined {
  return (socket as ClaimedStream)[kClaim];
}

/** Sets the claim on a socket. @throws TypeError if the stream is frozen. */
export function setClaim(socket: Duplex, claim: Claim): void {
  (socket as ClaimedStream)[kClaim] = claim;
}

/**
 * True if the socket of an upgrade request has an owner for certain: a server of any copy of this package; or other code
 * that has ended it, or both reads from it and has written. Code that only reads may be an observer. Throws nothing.
 * @param writtenBefore Number of octets that were written to the socket before the request: responses to earlier ones.
 */
export function isTaken(socket: Duplex, writtenBefore: number): boolean {
  return isOwned(socket, () => hasReader(socket) && Number((socket as Partial<Socket>).bytesWritten) > writtenBefore);
}

/** True if the socket of an upgrade request may have an owner: one that is certain, or other code that reads from it. Throws nothing. */
export function mayBeTaken(socket: Duplex): boolean {
  return isOwned(socket, () => hasReader(socket));
}

function isOwned(socket: Duplex, isUsed: () => boolean): boolean {
  try {
    const claim = claimOf(socket);
    return claim === 'taken' || claim === 'refused' || socket.destroyed || socket.writableEnded || isUsed();
  } catch {
    // Otherwise a stream that throws here would be written to.
    return true;
  }
}

/** True if code reads from the socket, or has paused it. Node.js offers it without either. */
function hasReader(socket: Duplex): boolean {
  return socket.readableFlowing !== null || socket.listenerCount('data') > 0 || socket.listenerCount('readable') > 0;
}
