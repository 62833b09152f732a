import { GoodsError } from '../wire/goods-error.ts';
import { formatRequest } from '../wire/text-codec.ts';
import { Backoff, type BackoffOptions } from './backoff.ts';
import type { ClientConnection, PendingRequest } from './client-connection.ts';
import type { ClientEmitter } from './client-emitter.ts';
import type { RemoteDemandEvents } from './client-options.ts';
import type { Connector } from './connector.ts';
import { mayPass } from './refusals.ts';
import type { Requests } from './requests.ts';

/** Goods that a client has put on the shelf of the market. */
class RemoteGoods {
  readonly #name: string;
  readonly #events: RemoteDemandEvents;
  #hasDemand = false;

  constructor(name: string, events: RemoteDemandEvents) {
    this.#name = name;
    this.#events = events;
  }

  /** Calls the callback for a change of demand. @throws What the callback throws. */
  setDemand(hasDemand: boolean): void {
    if (hasDemand === this.#hasDemand) return;
    this.#hasDemand = hasDemand;
    if (hasDemand) this.#events.onDemand?.(this.#name);
    else this.#events.onIdle?.(this.#name);
  }
}

/** Offers goods of a client: puts them on the market's shelf, and again after each reconnect. */
export class RemoteProvider {
  readonly #connector: Connector;
  readonly #requests: Requests;
  readonly #events: ClientEmitter;
  readonly #pauses: BackoffOptions;
  readonly #goods = new Map<string, RemoteGoods>();

  constructor(connector: Connector, requests: Requests, events: ClientEmitter, pauses: BackoffOptions) {
    this.#connector = connector;
    this.#requests = requests;
    this.#events = events;
    this.#pauses = pauses;
  }

  async shelve(name: string, events: RemoteDemandEvents, signal: AbortSignal | undefined): Promise<void> {
    // At once with the reply: the next frame may already report demand.
    const onSettle = () => {
      if (signal?.aborted !== true) this.#goods.set(name, new RemoteGoods(name, events));
      // The request had been sent before the signal aborted it.
      else void this.#requests.tell((id) => formatRequest({ op: 'unshelve', id, goods: name, reason: '' }));
    };
    await this.#requests.ask((id) => formatRequest({ op: 'shelve', id, goods: name }), { onSettle, signal });
  }

  async unshelve(name: string, reason: string): Promise<void> {
    const wasShelved = this.#goods.delete(name);
    // Without a connection the market does not have the goods on its shelf.
    if (wasShelved && this.#connector.connection === null) return;
    try {
      await this.#requests.ask((id) => formatRequest({ op: 'unshelve', id, goods: name, reason }));
    } catch (error) {
      const isNotShelved = error instanceof GoodsError && error.code === 'not-provider';
      if (!(wasShelved && isNotShelved)) throw error;
    }
  }

  /** Puts all goods on the shelf again, on a new connection. */
  shelveAgain(connection: ClientConnection): void {
    for (const name of this.#goods.keys()) connection.ask(this.#shelvingAgain(name));
  }

  #shelvingAgain(name: string, backoff = new Backoff(this.#pauses)): PendingRequest {
    const goods = this.#goods;
    return {
      get isDropped() {
        return !goods.has(name);
      },
      write: (id) => formatRequest({ op: 'shelve', id, goods: name }),
      settle: () => {},
      refuse: (error) => {
        if (!goods.has(name)) return;
        // The market may not have noticed yet that the connection before is gone.
        if (mayPass(error, true)) {
          this.#requests.retry(Math.max(backoff.next(), error.retryAfter ?? 0), this.#shelvingAgain(name, backoff));
        } else this.#events.emit('error', error);
      },
      lose: () => {},
    };
  }

  /** Tells the application of demand for its goods. */
  notifyDemand(name: string, hasDemand: boolean): void {
    try {
      this.#goods.get(name)?.setDemand(hasDemand);
    } catch (error) {
      this.#events.report(error);
    }
  }

  /** Tells the application that no subscriber can be reached. The next connection reports demand again. */
  disconnected(): void {
    for (const name of [...this.#goods.keys()]) this.notifyDemand(name, false);
  }

  clear(): void {
    this.#goods.clear();
  }
}
