import type { Goods } from '../definition/goods.ts';
import type { Clock } from './clock.ts';
import type { SubscribeOptions } from './subscription.ts';

/**
 * A value that may differ from one connection to the next, such as a token: the value, or a function that is called before each connection.
 * If the function throws or rejects, this attempt fails, and the next one is made after a pause.
 */
export type PerConnection<Value> = Value | (() => Value | Promise<Value>);

/** Options of a {@link GoodsClient}. */
export interface GoodsClientOptions {
  /** Class of the WebSocket. Default: the global `WebSocket`. */
  readonly WebSocket?: unknown;
  /** Third argument of the class, for instance headers for goodwire's. */
  readonly webSocketOptions?: PerConnection<object> | undefined;
  /** True to connect again when the connection is lost. Default true. */
  readonly reconnect?: boolean | undefined;
  /** Pauses before it reconnects. */
  readonly backoff?: ClientBackoff | undefined;
  /** Milliseconds until the market's welcome must have come, and for a function to return the address before that. Default 10 000. */
  readonly openTimeout?: number | undefined;
  /** Milliseconds of silence after which the client pings, and again after which it gives the connection up. Default 30 000; 0: never. */
  readonly heartbeat?: number | undefined;
  /** Maximum number of requests without a reply, `subscribe` not counted. Further requests are refused. Default 100 000. */
  readonly maxPending?: number | undefined;
  /** Time and timers. Default: the platform's. */
  readonly clock?: Clock | undefined;
  /** Returns a number from 0 to 1. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** Lengths of the pauses before a client reconnects. Each is random, up to a maximum that doubles from pause to pause. */
export interface ClientBackoff {
  /** Milliseconds: maximum of the first pause. Default 1000. */
  readonly base?: number | undefined;
  /** Milliseconds: maximum of every pause. Default 30 000. */
  readonly max?: number | undefined;
  /** Former name of {@link max}, which takes precedence. @deprecated */
  readonly longest?: number | undefined;
}

/** State of a client. `waiting`: a pause before it connects again. */
export type ClientState = 'connecting' | 'open' | 'waiting' | 'closed';

/** Events of a client, with their values. */
export interface ClientEvents {
  /** The state has changed. */
  state: ClientState;
  /**
   * A connection was lost, goods could not be put back on the shelf, or a callback threw. Without a listener, an error thrown by a callback
   * is an uncaught exception.
   */
  error: unknown;
}

/** Goods as a client names them: a definition, or a name. */
export type GoodsOrName<Item, Params> = Pick<Goods<Item, Params>, 'name' | 'types'> | string;

/** Arguments of `subscribe` behind the goods. Params may be left out if the goods need none. */
export type SubscribeArguments<Item, Params> = undefined extends Params
  ? [params?: Params, options?: SubscribeOptions<Item>]
  : [params: Params, options?: SubscribeOptions<Item>];

/** Options of a request. */
export interface RequestOptions {
  /** Aborting rejects with the signal's reason. A request that was already sent may take effect. */
  readonly signal?: AbortSignal | undefined;
}

/** Callbacks of a client that offers goods. What a callback throws goes to the client's `error` event. */
export interface RemoteDemandEvents {
  /** Called when the first subscriber has come. */
  onDemand?(goods: string): void;
  /** Called when the last subscriber has left, or the connection was lost. */
  onIdle?(goods: string): void;
}

/** Returns the name of goods. */
export function nameOf(goods: GoodsOrName<never, never> | { readonly name: string }): string {
  return typeof goods === 'string' ? goods : goods.name;
}
