import type { IncomingMessage } from 'node:http';
import { HandshakeError } from '../handshake/handshake-error.ts';

/** Limits for opening handshakes of a server. */
export interface HandshakeLimits {
  /**
   * Maximum duration of an opening handshake in milliseconds. 0 disables it. Default 30 000. If the application answers
   * by a promise or a callback, the time counts from the arrival of the request; then the response is 503. With the
   * server's own HTTP server (`port`), the client must also complete its request within this time (at most a quarter
   * longer) after connecting; otherwise the response is 408.
   */
  handshakeTimeout?: number | undefined;
  /**
   * Maximum number of connections in their opening handshake. 0 is unlimited. Default 10 000. If so many requests wait
   * for an answer of the application, the next request gets 503. With the server's own HTTP server (`port`), the
   * connection that has waited longest without a request is closed to make room.
   */
  maxPendingHandshakes?: number | undefined;
  /** Maximum number of header fields of a request; the response to more is 431. 0 disables this limit. Default 256. */
  maxHeadersCount?: number | undefined;
}

/** Default of {@link HandshakeLimits.handshakeTimeout}: 30 seconds. */
export const defaultHandshakeTimeout = 30_000;
/** Default of {@link HandshakeLimits.maxPendingHandshakes}. */
export const defaultMaxPendingHandshakes = 10_000;
/** Default of {@link HandshakeLimits.maxHeadersCount}. */
export const defaultMaxHeadersCount = 256;

/** @throws TypeError or RangeError if a limit is invalid. */
export function requireHandshakeLimits(limits: HandshakeLimits): void {
  const { handshakeTimeout, maxPendingHandshakes, maxHeadersCount } = limits;
  for (const [name, value] of Object.entries({ handshakeTimeout, maxPendingHandshakes, maxHeadersCount })) {
    if (value === undefined) continue;
    if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${typeof value}`);
    if (!(value >= 0)) throw new RangeError(`${name} must be 0 (no limit) or more, not ${value}`);
  }
}

/**
 * Checks the number of header fields of a request. Otherwise any number would be kept in memory while the application
 * decides.
 * @throws HandshakeError with status 431 (RFC 6585 §5) if there are more than `limits` allow.
 */
export function requireFewFields({ rawHeaders }: IncomingMessage, limits: HandshakeLimits): void {
  const limit = limits.maxHeadersCount ?? defaultMaxHeadersCount;
  // Requests made by a program may have no raw headers.
  const count = (rawHeaders?.length ?? 0) / 2;
  if (limit === 0 || count <= limit) return;
  throw new HandshakeError(431, 'GOODWIRE_TOO_MANY_HEADERS', `More than ${limit} header fields`);
}
