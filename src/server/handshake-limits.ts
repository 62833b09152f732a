import type { IncomingMessage } from 'node:http';
import { HandshakeError } from '../handshake/handshake-error.ts';

/** What a server lets opening handshakes cost; each has a default. */
export interface HandshakeLimits {
  /**
   * Milliseconds for an opening handshake. The application has so many to answer from when the request has come, if it answers by a promise
   * or a callback: then it is 503. On an HTTP server of our own (`port`) the client has so many, and at most a quarter more, from when it
   * connects until its request is complete: then it is 408. Default 30 000; 0 is no limit of ours.
   */
  handshakeTimeout?: number | undefined;
  /**
   * Connections that may be in their opening handshake. With so many waiting for an answer of the application the next request gets 503;
   * with an HTTP server of our own (`port`), the connection that has waited longest without a request is closed when there are more.
   * Default 10 000; 0 is no limit.
   */
  maxPendingHandshakes?: number | undefined;
  /** Header fields that a request may have: one more, and it is 431. Default 256; 0 is no limit of ours. */
  maxHeadersCount?: number | undefined;
}

export const defaultHandshakeTimeout = 30_000;
export const defaultMaxPendingHandshakes = 10_000;
export const defaultMaxHeadersCount = 256;

/** @throws TypeError, RangeError for a limit that is none. */
export function requireHandshakeLimits(limits: HandshakeLimits): void {
  const { handshakeTimeout, maxPendingHandshakes, maxHeadersCount } = limits;
  for (const [name, value] of Object.entries({ handshakeTimeout, maxPendingHandshakes, maxHeadersCount })) {
    if (value === undefined) continue;
    if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${typeof value}`);
    if (!(value >= 0)) throw new RangeError(`${name} must be 0 (no limit) or more, not ${value}`);
  }
}

/**
 * Counts the header fields of a request, which in any number would have to be kept as long as somebody thinks about it.
 * @throws HandshakeError with status 431 (RFC 6585 §5) for one that has more than `limits` allow.
 */
export function requireFewFields({ rawHeaders }: IncomingMessage, limits: HandshakeLimits): void {
  const most = limits.maxHeadersCount ?? defaultMaxHeadersCount;
  // A request that a program has made up may have none.
  const count = (rawHeaders?.length ?? 0) / 2;
  if (most === 0 || count <= most) return;
  throw new HandshakeError(431, 'GOODWIRE_TOO_MANY_HEADERS', `More than ${most} header fields`);
}
