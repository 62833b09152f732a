import type { ErrorFrame } from '../wire/frames.ts';
import { GoodsError } from '../wire/goods-error.ts';

/** A connection to a market could not be made, or was lost. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  /** As the WebSocket reports it (RFC 6455 §7.4); 1006 if it just ended, or never was. */
  readonly closeCode: number;
  /** What the peer gave with it. */
  readonly reason: string;

  constructor(message: string, closeCode: number, reason: string, options?: ErrorOptions) {
    super(message, options);
    this.closeCode = closeCode;
    this.reason = reason;
  }
}

/** The client was closed before it was done. */
export class ClosedError extends Error {
  override readonly name = 'ClosedError';

  constructor(options?: ErrorOptions) {
    super('the client is closed', options);
  }
}

/** The market has ended a subscription. */
export class RevokedError extends Error {
  override readonly name = 'RevokedError';
  /** The name or pattern that was subscribed to. */
  readonly goods: string;
  /** What the market gave. */
  readonly reason: string;

  constructor(goods: string, reason: string) {
    super(`the subscription to ${goods} was revoked: ${reason}`);
    this.goods = goods;
    this.reason = reason;
  }
}

/** Items of a subscription with `overflow: 'fail'` came faster than they were taken. */
export class BacklogError extends Error {
  override readonly name = 'BacklogError';
  /** How many items may wait. */
  readonly size: number;

  constructor(goods: string, size: number) {
    super(`more than ${size} items of ${goods} wait to be taken`);
    this.size = size;
  }
}

/** The error that a refusal stands for, in the market's own words. */
export function refusalOf({ code, message, retryAfter }: ErrorFrame): GoodsError {
  const error = new GoodsError(code, '', { retryAfter });
  error.message = message;
  return error;
}
