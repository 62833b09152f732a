import type { OkFrame, Request } from '../wire/frames.ts';
import { GoodsError, WireError } from '../wire/goods-error.ts';
import { formatRequest } from '../wire/text-codec.ts';
import type { ClientConnection, PendingRequest } from './client-connection.ts';
import { ConnectionError } from './client-errors.ts';
import type { Clock } from './clock.ts';
import { type Connector, maxRetryAfter } from './connector.ts';

/** Options of {@link Requests.ask}. */
export interface AskOptions {
  readonly signal?: AbortSignal | undefined;
  /** True if the request must not be sent again, because it may have taken effect. */
  readonly isOnce?: boolean;
  /** Called with the reply, before the promise is fulfilled and before the next frame. */
  readonly onSettle?: () => void;
}

/** Maximum number of pages of a list: a market that has more is faulty. */
const maxPages = 100_000;

/** The requests of a client: sent now or on the next connection, and sent again if the connection is lost. */
export class Requests {
  readonly #connector: Connector;
  readonly #clock: Clock;
  readonly #maxPending: number;
  /** Requests that wait for a connection. */
  readonly #waiting = new Set<PendingRequest>();
  /** Timers of requests that were refused for now, and are sent again on this connection. */
  readonly #retries = new Set<unknown>();
  /** Number of requests without a reply. */
  #pending = 0;

  constructor(connector: Connector, clock: Clock, maxPending: number) {
    this.#connector = connector;
    this.#clock = clock;
    this.#maxPending = maxPending;
  }

  /** Sends the requests that wait for a connection. */
  sendWaiting(connection: ClientConnection): void {
    for (const request of this.takeWaiting()) connection.ask(request);
  }

  /** Returns and removes the requests that wait for a connection. */
  takeWaiting(): PendingRequest[] {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    return waiting;
  }

  /** Cancels the retries of the connection that was lost. */
  cancelRetries(): void {
    for (const timer of this.#retries) this.#clock.clearTimeout(timer);
    this.#retries.clear();
  }

  /** Sends a request again on this connection, after a pause. */
  retry(pause: number, request: PendingRequest): void {
    const timer = this.#clock.setTimeout(
      () => {
        this.#retries.delete(timer);
        this.#connector.connection?.ask(request);
      },
      Math.min(pause, maxRetryAfter),
    );
    this.#retries.add(timer);
  }

  /**
   * Sends a request. If the connection is lost it is sent again on the next one, unless it must be sent once.
   * @returns The reply.
   * @throws GoodsError if the market refuses, or if too many requests are pending; ConnectionError if it is not known whether a request that
   * must be sent once has taken effect; ClosedError if the client is closed; the reason of the signal.
   */
  ask(write: PendingRequest['write'], { isOnce = false, onSettle, signal }: AskOptions = {}): Promise<OkFrame> {
    return new Promise((resolve, reject) => {
      if (this.#connector.isClosed) throw this.#connector.closeError;
      signal?.throwIfAborted();
      this.#checkPendingLimit();
      this.#pending++;
      let isDropped = false;
      const end = () => {
        this.#pending--;
        signal?.removeEventListener('abort', abort);
      };
      const refuse = (error: unknown) => {
        if (isDropped) return;
        end();
        reject(error);
      };
      const abort = () => {
        refuse(signal?.reason);
        isDropped = true;
        this.#waiting.delete(request);
      };
      const request: PendingRequest = {
        get isDropped() {
          return isDropped;
        },
        write,
        settle: (reply) => {
          onSettle?.();
          if (isDropped) return;
          end();
          resolve(reply);
        },
        refuse,
        lose: (wasSent) => {
          if (isDropped) return;
          if (this.#connector.isClosed) refuse(this.#connector.closeError);
          else if (wasSent && isOnce) {
            refuse(new ConnectionError('the connection was lost, and it may have been done', 1006, ''));
          } else this.#waiting.add(request);
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      const { connection } = this.#connector;
      if (connection === null) this.#waiting.add(request);
      else connection.ask(request);
    });
  }

  #checkPendingLimit(): void {
    const max = this.#maxPending;
    if (this.#pending < max) return;
    throw new GoodsError('too-many-pending', `maxPending is ${max}, and as many requests have no reply yet`);
  }

  /** Asks for a list, page by page. @throws As {@link ask}; WireError if the pages do not end. */
  async askForPages<Name extends 'catalog' | 'subscriptions'>(
    request: (after: { after?: string }) => Request,
    name: Name,
    signal: AbortSignal | undefined,
  ): Promise<NonNullable<OkFrame[Name]>[number][]> {
    const entries: NonNullable<OkFrame[Name]>[number][] = [];
    let after: { after?: string } = {};
    for (let page = 0; page < maxPages; page++) {
      const reply = await this.ask((id) => formatRequest({ ...request(after), id }), { signal });
      for (const entry of reply[name] ?? []) entries.push(entry as NonNullable<OkFrame[Name]>[number]);
      if (reply.next === undefined) return entries;
      if (reply.next === after.after) throw new WireError(1007, 'the next page is the same one again');
      after = { after: reply.next };
    }
    throw new WireError(1007, `there are more than ${maxPages} pages`);
  }

  /**
   * Sends a request whose effect also follows from losing the connection, such as `unsubscribe`.
   * @returns A promise that is fulfilled with any reply, or when the connection is lost.
   */
  tell(write: PendingRequest['write']): Promise<void> {
    const { connection } = this.#connector;
    if (connection === null) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => resolve();
      connection.ask({ isDropped: false, write, settle: done, refuse: done, lose: done });
    });
  }
}
