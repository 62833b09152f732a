import { monotonicTime } from '../../event-loop/monotonic-time.ts';
import type { Backplane } from '../backplane/backplane.ts';
import { MemoryBackplane } from '../backplane/memory-backplane.ts';
import type { AccessRequest, Subscriber } from '../definition/goods.ts';
import { defaultMaxNameLength } from '../definition/goods-name.ts';
import type { ShelvedGoodsStatistics } from '../shelf/goods-counters.ts';
import type { Observer } from '../shelf/observer.ts';
import type { WireLimits } from '../wire/frames.ts';
import { channelObserver } from './channel-observer.ts';

/** Options of a market. */
export interface MarketOptions<User = unknown> {
  /**
   * Called on each subscribe, resume, supply and shelve of a client, before the `authorize` of the goods, which is called too. Default: every
   * request is allowed. If it throws or rejects, the request is refused.
   */
  authorize?(subscriber: Subscriber<User>, request: AccessRequest): boolean | Promise<boolean>;
  /** Limits of one connection. Default {@link defaultLimits}. Each is an integer of at least 1. */
  readonly limits?: Partial<WireLimits> | undefined;
  /**
   * Milliseconds between two pings, 0 to 2^31-1. A connection from which nothing came during two of them is ended. Default 30 000; 0 turns
   * pings off.
   */
  readonly heartbeat?: number | undefined;
  /** Maximum number of bytes that wait for a subscriber before it falls behind. Minimum 65 536. Default 262 144. */
  readonly highWaterMark?: number | undefined;
  /**
   * Maximum number of goods that exist only because a client or provider named them and a pattern on the shelf matches. Default 100 000.
   */
  readonly maxOnDemandGoods?: number | undefined;
  /** Former name of {@link maxOnDemandGoods}, which takes precedence. @deprecated */
  readonly madeGoods?: number | undefined;
  /** Joins this market with others. Default: a market alone. */
  readonly backplane?: Backplane | undefined;
  /** Called with what happens in the market. Default: messages on `node:diagnostics_channel`. */
  readonly observer?: Observer | undefined;
  /** Returns the time in milliseconds, for histories and rate limits. Default: `Date.now`, and a monotonic clock for the rate limits. */
  readonly now?: (() => number) | undefined;
  /**
   * Schedules the flush that sends supplied items. Default `setImmediate`: everything supplied while the currently readable sockets are
   * read is sent as one batch.
   */
  readonly schedule?: ((flush: () => void) => void) | undefined;
  /** Returns a number from 0 to 1. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** Default limits of one connection. */
export const defaultLimits: WireLimits = {
  subscriptions: 1000,
  nameLength: defaultMaxNameLength,
  paramsSize: 4096,
  messageSize: 65_536,
  requestsPerSecond: 100,
  requestBurst: 1200,
  itemsPerSecond: 1000,
};

const defaultHeartbeat = 30_000;
/** Largest delay of a timer in milliseconds. */
const maxHeartbeat = 2 ** 31 - 1;
const defaultHighWaterMark = 262_144;
const minHighWaterMark = 65_536;
const defaultMaxOnDemandGoods = 100_000;

/** Options of a market, checked and with the defaults filled in. */
export interface MarketSettings {
  readonly limits: WireLimits;
  readonly heartbeat: number;
  readonly highWaterMark: number;
  readonly maxOnDemandGoods: number;
  readonly backplane: Backplane;
  readonly observer: Observer;
  readonly now: () => number;
  /** Returns the time in milliseconds for rate limits. */
  readonly rateTime: () => number;
  readonly schedule: (flush: () => void) => void;
  readonly random: () => number;
}

/**
 * Checks the options of a market and fills in the defaults.
 * @throws RangeError if an option is invalid.
 */
export function readMarketOptions<User>(
  options: MarketOptions<User>,
  defaultSchedule: (flush: () => void) => void,
): MarketSettings {
  const {
    heartbeat = defaultHeartbeat,
    highWaterMark = defaultHighWaterMark,
    maxOnDemandGoods = options.madeGoods ?? defaultMaxOnDemandGoods,
    // Looked up at each call: a test of the application may replace `Date`.
    now = () => Date.now(),
  } = options;
  const limits = { ...defaultLimits, ...options.limits };
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(`limits.${name} is an integer ≥ 1; got ${value}`);
    }
  }
  if (!(heartbeat >= 0 && heartbeat <= maxHeartbeat)) {
    throw new RangeError(`heartbeat is 0 to 2^31-1 milliseconds; got ${heartbeat}`);
  }
  if (!(highWaterMark >= minHighWaterMark)) {
    throw new RangeError(`highWaterMark is at least ${minHighWaterMark} bytes; got ${highWaterMark}`);
  }
  if (!(maxOnDemandGoods >= 0)) throw new RangeError(`maxOnDemandGoods is a number ≥ 0; got ${maxOnDemandGoods}`);
  return {
    limits,
    heartbeat,
    highWaterMark,
    maxOnDemandGoods,
    now,
    // Otherwise a test of the application that stops the date would have requests refused as too many.
    rateTime: options.now ?? monotonicTime,
    observer: options.observer ?? channelObserver(),
    backplane: options.backplane ?? new MemoryBackplane({ now }),
    schedule: options.schedule ?? defaultSchedule,
    random: options.random ?? Math.random,
  };
}

/** State and counts of a market. */
export interface MarketStatistics {
  /** Number of connections. */
  readonly sessions: number;
  readonly subscriptions: number;
  readonly goods: readonly GoodsStatistics[];
}

/** State and counts of goods on the shelf. */
export interface GoodsStatistics extends ShelvedGoodsStatistics {
  readonly goods: string;
  /** Number of recipients. A connection counts once for each variant that it gets. */
  readonly subscribers: number;
  /** Number of variants that are encoded. */
  readonly variants: number;
  readonly epoch: string;
  /** Offset of the last item. */
  readonly offset: number;
  /** Number of items in the history. */
  readonly kept: number;
}

/** Options of `market.revoke()`: the subscriptions that it ends. */
export interface Revocation<User = unknown> {
  /** Name or pattern of the goods. Default: all goods. */
  readonly goods?: string | undefined;
  /** A subscriber, or a function that returns true for the subscribers meant. Default: all. */
  readonly subscriber?: Subscriber<User> | ((subscriber: Subscriber<User>) => boolean) | undefined;
}

/** Options of `market.shutdown()`. */
export interface ShutdownOptions {
  /** Reason for the clients. Default "restart". */
  readonly reason?: string | undefined;
  /** Close code: 1012 (service restart) or 1013 (try again later). Default 1012. */
  readonly code?: 1012 | 1013 | undefined;
  /** Milliseconds before clients may reconnect. Each client is told a random value from this to twice this. Default 2000. */
  readonly retryAfter?: number | undefined;
  /** Milliseconds after which the remaining connections are ended. Default 10 000. */
  readonly deadline?: number | undefined;
}

/** Default of {@link ShutdownOptions.retryAfter}. */
export const defaultRetryAfter = 2000;
/** Default of {@link ShutdownOptions.deadline}. */
export const defaultDeadline = 10_000;
