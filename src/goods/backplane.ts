import type { HistoryOptions } from './goods.ts';
import type { Kind, Position } from './wire.ts';

/** Items that were supplied together, on their way to every market. */
export interface Supply {
  readonly kind: Kind;
  /** JSON values, texts, or `Uint8Array`s, which nobody alters any more; at least one. */
  readonly items: readonly unknown[];
  /** The items as JSON, if the supplying market has made it anyway: for an implementation that has to encode them. */
  readonly texts?: readonly string[] | undefined;
}

/** A supply in its place: the first item has the offset, each next one the next. */
export interface Published extends Position, Supply {
  /** When, in milliseconds of the clock of whoever keeps it. */
  readonly time: number;
}

/** Gets what is published of goods, in the order of the offsets, without holes and each once. */
export type BackplaneListener = (published: Published) => void;

/**
 * What joins markets of several processes to one: a log of items for each goods, with one counting for all. Methods may answer at once or with
 * a promise; who implements it runs `test/goods/backplane-contract.ts` against it.
 */
export interface Backplane {
  /**
   * Adds a supply to the log of some goods, and hands it to all who have subscribed to them, the publishing market among them.
   * @returns The position of its last item, once that is certain.
   */
  publish(goods: string, supply: Supply, history: HistoryOptions): Position | Promise<Position>;
  /** Begins to hand over what is published behind the position that it returns. A second listener to the same goods is another one. */
  subscribe(goods: string, listener: BackplaneListener): Position | Promise<Position>;
  /** Undoes {@link subscribe}. Nothing is handed over any more when it returns. */
  unsubscribe(goods: string, listener: BackplaneListener): void | Promise<void>;
  /** The latest items that are kept, at most so many, oldest first; in supplies of one item each. */
  history(goods: string, count: number): readonly Published[] | Promise<readonly Published[]>;
  /** Whom to call when what was published may not have been handed over: the market then begins anew with those goods. */
  onGap(listener: (goods: string) => void): void;
}

interface Log {
  readonly epoch: string;
  offset: number;
  kept: Published[];
  /** A new list for every change, so that one that is gone through stays as it is. */
  listeners: readonly BackplaneListener[];
  /** What was published inside of a listener waits until all have what came before. */
  waiting: Published[];
  isDelivering: boolean;
}

/** 64 bits of randomness, to tell one counting from every other. */
export function randomEpoch(): string {
  const [a, b] = crypto.getRandomValues(new Uint32Array(2)) as unknown as [number, number];
  return a.toString(36).padStart(7, '0') + b.toString(36).padStart(7, '0');
}

/** The backplane of markets in one process. It answers at once; goods are forgotten when nobody subscribes to them any more. */
export class MemoryBackplane implements Backplane {
  readonly #logs = new Map<string, Log>();
  readonly #now: () => number;
  readonly #epoch: () => string;

  /** Clock and randomness are to be given in tests only. */
  constructor({ now = Date.now, epoch = randomEpoch }: { now?: () => number; epoch?: () => string } = {}) {
    this.#now = now;
    this.#epoch = epoch;
  }

  publish(goods: string, supply: Supply, { size, ttl }: HistoryOptions): Position {
    // Nobody could ask for it: without a subscriber there is no log.
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
    // A good many at a time, for each removal costs as much as is left.
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
    // What waits to be handed over will be, to the new one too.
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

  /** Nothing gets lost in memory. */
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
