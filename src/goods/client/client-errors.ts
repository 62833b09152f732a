import type { ErrorFrame } from '../wire/frames.ts';
import { GoodsError } from '../wire/goods-error.ts';

/** A connection to a market could not be made, or was lost. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  /** Close code of the WebSocket (RFC 6455 §7.4); 1006 if there was no close frame, or no connection. */
  readonly closeCode: number;
  /** Reason in the peer's close frame. */
  readonly reason: string;

  /** Creates an error with the end of the connection. */
  constructor(message: string, closeCode: number, reason: string, options?: ErrorOptions) {
    super(message, options);
    this.closeCode = closeCode;
    this.reason = reason;
  }
}

/** The client was closed before the request was done. */
export class ClosedError extends Error {
  override readonly name = 'ClosedError';

  /** Creates an error for a request of a closed client. */
  constructor(options?: ErrorOptions) {
    super('the client is closed', options);
  }
}

/** The market has ended a subscription. */
export class RevokedError extends Error {
  override readonly name = 'RevokedError';
  /** The name or pattern that was subscribed to. */
  readonly goods: string;
  /** Reason that the market gave. */
  readonly reason: string;

  /** Creates an error for a subscription that the market has ended. */
  constructor(goods: string, reason: string) {
    super(`the subscription to ${goods} was revoked: ${reason}`);
    this.goods = goods;
    this.reason = reason;
  }
}

/** A subscription with `overflow: 'fail'` has ended because its items came faster than the application took them. */
export class BacklogError extends Error {
  override readonly name = 'BacklogError';
  /** Maximum number of waiting items. */
  readonly size: number;

  /** Creates an error for a subscription whose backlog is full. */
  constructor(goods: string, size: number) {
    super(`more than ${size} items of ${goods} wait to be taken`);
    this.size = size;
  }
}

/** Returns the error of a refusal, with the message of the market. */
export function refusalOf({ code, message, retryAfter }: ErrorFrame): GoodsError {
  const error = new GoodsError(code, '', { retryAfter });
  error.message = message;
  return error;
}
