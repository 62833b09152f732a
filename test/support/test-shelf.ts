import type { Backplane } from '../../src/goods/backplane/backplane.ts';
import { MemoryBackplane } from '../../src/goods/backplane/memory-backplane.ts';
import { defineGoods, type Goods, type GoodsOptions } from '../../src/goods/definition/goods.ts';
import type { Kind } from '../../src/goods/definition/item.ts';
import { plainCoding } from '../../src/goods/fan-out/encoded-message.ts';
import type { BatchSequence, Recipient } from '../../src/goods/fan-out/outbox.ts';
import { type DemandEvents, Provider } from '../../src/goods/shelf/provider.ts';
import { Shelf, type ShelfOptions } from '../../src/goods/shelf/shelf.ts';
import { type GoodsStream, type ShelfContext, ShelvedGoods } from '../../src/goods/shelf/shelved-goods.ts';
import { Notes } from './test-market.ts';

/** Defines goods of any kind. */
export const define = (name: string, options: GoodsOptions<never, never, never> & { kind?: Kind } = {}): Goods =>
  defineGoods(name, options as never);

/** A recipient that keeps nothing of what it gets. */
export class IdleRecipient implements Recipient<GoodsStream> {
  readonly coding = plainCoding;
  mark: BatchSequence<GoodsStream> | null = null;
  deliver(): void {}
}

/** A provider without a market. */
export function idleProvider(name = 'p'): Provider {
  return new Provider(name, {
    shelve: () => {},
    unshelve: () => false,
    unshelveAll: () => {},
    supply: () => ({ epoch: '', offset: 0 }),
  });
}

/** Goods without a shelf. The clock stands still, and what they call is written down. */
export class LooseGoods {
  readonly notes = new Notes();
  readonly published: unknown[] = [];
  readonly recipients: [Recipient<GoodsStream>, GoodsStream][] = [];
  readonly goods: ShelvedGoods;
  demandChanges = 0;
  time = 1000;

  constructor(
    definition: Goods = define('n'),
    {
      events = {},
      isOnDemand = false,
      onPublished,
    }: { events?: DemandEvents; isOnDemand?: boolean; onPublished?: ShelfContext['published'] } = {},
  ) {
    this.goods = new ShelvedGoods(definition, idleProvider(), events, isOnDemand, {
      observer: this.notes,
      now: () => this.time,
      published: onPublished ?? ((_goods, published) => void this.published.push(published)),
      demandChanged: () => void this.demandChanges++,
      forEachRecipient: (_goods, visit) => {
        for (const [recipient, stream] of this.recipients) visit(recipient, stream);
      },
    });
  }
}

/** A shelf without a market. What it calls is written down, as lines. */
export class TestShelf {
  readonly notes = new Notes();
  readonly calls: string[] = [];
  readonly shelf: Shelf;
  readonly backplane: Backplane;
  time = 1000;
  /** Called when goods are ready. */
  onReady: (goods: ShelvedGoods) => void = () => {};

  constructor(options: Partial<ShelfOptions> = {}) {
    this.backplane = options.backplane ?? new MemoryBackplane({ now: () => this.time, epoch: () => 'e' });
    this.shelf = new Shelf(
      { observer: this.notes, now: () => this.time, maxOnDemandGoods: 100, ...options, backplane: this.backplane },
      {
        onReady: (goods) => {
          this.calls.push(`ready ${goods.name}`);
          this.onReady(goods);
        },
        onRemoved: ({ name }, reason) => void this.calls.push(`removed ${name} ${reason}`),
        onItems: ({ name }, entries) =>
          void this.calls.push(`items ${name} ${entries.map(({ offset, item }) => `${offset}=${String(item)}`)}`),
        forEachRecipient: () => {},
      },
    );
  }

  /** Returns the calls since the last time. */
  take(): string[] {
    return this.calls.splice(0);
  }
}
