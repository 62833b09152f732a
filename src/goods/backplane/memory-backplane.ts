import type { HistoryOptions } from '../definition/goods.ts';
import type { Position } from '../definition/position.ts';
import type { Backplane, BackplaneListener, Published, Supply } from './backplane.ts';

interface Log {
  readonly epoch: string;
  offset: number;
  kept: Published[];
  /** Replaced with every change, so that a list that is being iterated stays as it is. */
  listeners: readonly BackplaneListener[];
  /** Supplies that were published inside a listener. They wait until all listeners have the supply before. */
  waiting: Published[];
  isDelivering: boolean;
}

/** Returns 64 random bits, which identify one count of offsets. */
export function randomEpoch(): string {
  const [a, b] = crypto.getRandomValues(new Uint32Array(2)) as unknown as [number, number];
  return a.toString(36).padStart(7, '0') + b.toString(36).padStart(7, '0');
}

/**
 * Backplane of markets in one process. Methods return at once. The log of goods is dropped with their last listener.
 *
 * @example
 * ```ts
 * import { Market, MemoryBackplane } from 'goodwire/goods';
 *
 * // An item that one market is supplied with goes to the subscribers of both.
 * const backplane = new MemoryBackplane();
 * const markets = [new Market({ backplane }), new Market({ backplane })];
 * ```
 */
export class MemoryBackplane implements Backplane {
  readonly #logs = new Map<string, Log>();
  readonly #now: () => number;
  readonly #epoch: () => string;

  /**
   * Creates a backplane, to be the option `backplane` of several markets.
   * @param options Clock and epochs, for tests.
   */
  constructor({ now = () => Date.now(), epoch = randomEpoch }: { now?: () => number; epoch?: () => string } = {}) {
    this.#now = now;
    this.#epoch = epoch;
  }

  publish(goods: string, supply: Supply, { size, ttl }: HistoryOptions): Position {
    // Otherwise a log that no listener can read would be kept.
    const log = this.#logs.get(goods) ?? this.#create();
    const { epoch } = log;
    const first = log.offset + 1;
    log.offset += supply.items.length;
    const last = log.offset;
    const time = this.#now();
    for (const [i, item] of supply.items.entries()) {
      const text = supply.texts?.[i];
      const texts = text === undefined ? undefined : [text];
      if (size > 0) log.kept.push({ kind: supply.kind, items: [item], texts, epoch, offset: first + i, time });
    }
    const surplus = log.kept.length - size;
    // Many at a time: each removal costs time in proportion to what is left.
    if (surplus > size) log.kept.splice(0, surplus);
    if (ttl !== undefined) log.kept = dropOlder(log.kept, time - ttl);
    log.waiting.push({ ...supply, epoch, offset: first, time });
    this.#deliver(log);
    return { epoch, offset: last };
  }

  subscribe(goods: string, listener: BackplaneListener): Position {
    let log = this.#logs.get(goods);
    if (log === undefined) {
      log = this.#create();
      this.#logs.set(goods, log);
    }
    log.listeners = [...log.listeners, listener];
    // The new listener gets the waiting supplies too.
    const [next] = log.waiting;
    return { epoch: log.epoch, offset: next === undefined ? log.offset : next.offset - 1 };
  }

  unsubscribe(goods: string, listener: BackplaneListener): void {
    const log = this.#logs.get(goods);
    if (log === undefined) return;
    log.listeners = log.listeners.filter((one) => one !== listener);
    if (log.listeners.length === 0) this.#logs.delete(goods);
  }

  history(goods: string, count: number): readonly Published[] {
    const log = this.#logs.get(goods);
    if (log === undefined || count === 0) return [];
    const [next] = log.waiting;
    const kept = next === undefined ? log.kept : log.kept.filter(({ offset }) => offset < next.offset);
    return kept.slice(-count);
  }

  /** Does nothing: in memory no items are lost. */
  onGap(): void {}

  #create(): Log {
    return { epoch: this.#epoch(), offset: 0, kept: [], listeners: [], waiting: [], isDelivering: false };
  }

  #deliver(log: Log): void {
    if (log.isDelivering) return;
    log.isDelivering = true;
    try {
      for (let next = log.waiting.shift(); next !== undefined; next = log.waiting.shift()) {
        for (const listener of log.listeners) if (log.listeners.includes(listener)) listener(next);
      }
    } finally {
      log.isDelivering = false;
    }
  }
}

function dropOlder(kept: Published[], time: number): Published[] {
  const first = kept.findIndex((published) => published.time > time);
  return first === 0 ? kept : first === -1 ? [] : kept.slice(first);
}
