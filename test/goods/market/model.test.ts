import fc from 'fast-check';
import { expect, test } from 'vitest';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import { matches } from '../../../src/goods/definition/goods-name.ts';
import { type TestClient, TestMarket } from '../../support/test-market.ts';

// A market compared with a naive one, which has a list of subscriptions for each client, and loops over all clients for
// each item.

const names = ['a', 'b', 'a/x'] as const;
const patterns = ['a', 'b', 'a/x', '*', 'a/*', '**'] as const;
const variants = ['', 'u', 'v'] as const;
const historySize = 5;

const definitions = Object.fromEntries(
  names.map((name) => [
    name,
    defineGoods<number, string | undefined>(name, {
      variant: (_subscriber, params) => params ?? '',
      // The variant v does not get every third item.
      tailor: (item, variant) => (variant === 'v' && item % 3 === 0 ? undefined : `${variant}${item}`),
      history: { size: historySize },
    }),
  ]),
);

interface Item {
  readonly offset: number;
  readonly value: number;
}

class NaiveMarket {
  readonly shelf = new Map<string, Item[]>();
  readonly clients: { subscriptions: Set<string>; got: string[] }[] = [];

  #line(name: string, variant: string, { offset, value }: Item): string {
    const of = variant === '' ? name : `${name}[${variant}]`;
    if (variant === 'v' && value % 3 === 0) return `${of} ${offset} filtered`;
    return `${of} ${offset} "${variant}${value}"`;
  }

  #variantsOf(client: { subscriptions: Set<string> }, name: string): Set<string> {
    const found = new Set<string>();
    for (const subscription of client.subscriptions) {
      const [pattern, variant] = subscription.split('?') as [string, string];
      if (matches(pattern, name)) found.add(variant);
    }
    return found;
  }

  supply(name: string, value: number): void {
    const items = this.shelf.get(name);
    if (items === undefined) return;
    const item = { offset: items.length + 1, value };
    items.push(item);
    for (const client of this.clients) {
      for (const variant of this.#variantsOf(client, name)) client.got.push(this.#line(name, variant, item));
    }
  }

  subscribe(number: number, pattern: string, variant: string, last: number): void {
    const client = this.clients[number]!;
    const matching = [...this.shelf.keys()].filter((name) => matches(pattern, name));
    const isKnown = client.subscriptions.has(`${pattern}?${variant}`);
    if (!isKnown && matching.length === 0 && !pattern.includes('*')) return;
    client.subscriptions.add(`${pattern}?${variant}`);
    for (const name of matching) {
      const items = this.shelf.get(name)!;
      const kept = items.slice(-historySize);
      for (const item of kept.slice(kept.length - Math.min(last, kept.length))) {
        client.got.push(this.#line(name, variant, item));
      }
    }
  }
}

type Step =
  | { readonly do: 'connect' }
  | { readonly do: 'leave'; readonly client: number }
  | {
      readonly do: 'subscribe';
      readonly client: number;
      readonly pattern: string;
      readonly variant: string;
      readonly last: number;
    }
  | { readonly do: 'unsubscribe'; readonly client: number; readonly pattern: string; readonly variant: string }
  | { readonly do: 'supply'; readonly name: string; readonly count: number }
  | { readonly do: 'shelve' | 'unshelve'; readonly name: string }
  | { readonly do: 'flush' };

const client = fc.nat(3);
const name = fc.constantFrom(...names);
const pattern = fc.constantFrom(...patterns);
const variant = fc.constantFrom(...variants);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ do: 'connect' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), client }) },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('subscribe' as const), client, pattern, variant, last: fc.nat(7) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('unsubscribe' as const), client, pattern, variant }) },
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant('supply' as const), name, count: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('shelve' as const, 'unshelve' as const), name }) },
  { weight: 3, arbitrary: fc.constant({ do: 'flush' as const }) },
);

/** Returns the lines of each stream: streams may overtake each other. */
function byStream(lines: readonly string[]): Record<string, string[]> {
  const streams: Record<string, string[]> = {};
  for (const text of lines) {
    const stream = text.split(' ')[0]!;
    streams[stream] ??= [];
    streams[stream].push(text);
  }
  return streams;
}

/** Returns the items and skips of a client, a line for each offset. */
function received(client: TestClient): string[] {
  return client.frames.flatMap((frame): string[] => {
    if (!('goods' in frame)) return [];
    const of = 'variant' in frame ? `${frame.goods}[${frame.variant}]` : frame.goods;
    if (frame.op === 'item') return [`${of} ${frame.offset} ${JSON.stringify(frame.item)}`];
    if (frame.op === 'items') return frame.items.map((item, i) => `${of} ${frame.offset + i} ${JSON.stringify(item)}`);
    if (frame.op !== 'skip') return [];
    return Array.from({ length: frame.to - frame.from + 1 }, (_, i) => `${of} ${frame.from + i} ${frame.reason}`);
  });
}

test('every subscriber gets exactly the items that it gets from a naive market', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const testMarket = new TestMarket();
      const provider = testMarket.market.provider('p');
      const naive = new NaiveMarket();
      const clients: TestClient[] = [];
      let value = 0;
      for (const one of steps) {
        const index = 'client' in one ? one.client : 0;
        if ('client' in one && (index >= clients.length || clients[index]!.session.isClosed)) continue;
        const params = 'variant' in one && one.variant !== '' ? { params: one.variant } : {};
        switch (one.do) {
          case 'connect':
            if (clients.length > 3) break;
            clients.push(testMarket.connect());
            naive.clients.push({ subscriptions: new Set(), got: [] });
            break;
          case 'leave':
            testMarket.flush();
            clients[index]!.session.end();
            naive.clients[index]!.subscriptions.clear();
            break;
          case 'subscribe':
            clients[index]!.begin('subscribe', { goods: one.pattern, last: one.last, ...params });
            naive.subscribe(index, one.pattern, one.variant, one.last);
            break;
          case 'unsubscribe':
            clients[index]!.begin('unsubscribe', { goods: one.pattern, ...params });
            naive.clients[index]!.subscriptions.delete(`${one.pattern}?${one.variant}`);
            break;
          case 'supply': {
            if (!naive.shelf.has(one.name)) break;
            const items = Array.from({ length: one.count }, () => ++value);
            provider.supplyAll(definitions[one.name]!, items);
            for (const item of items) naive.supply(one.name, item);
            break;
          }
          case 'shelve':
            if (naive.shelf.has(one.name)) break;
            provider.shelve(definitions[one.name]!);
            naive.shelf.set(one.name, []);
            break;
          case 'unshelve':
            expect(provider.unshelve(definitions[one.name]!)).toBe(naive.shelf.delete(one.name));
            break;
          case 'flush':
            testMarket.flush();
        }
      }
      testMarket.flush();
      for (const [i, client] of clients.entries()) {
        expect(byStream(received(client))).toEqual(byStream(naive.clients[i]!.got));
      }
      // The statistics agree with the naive market.
      const { goods, subscriptions } = testMarket.market.statistics();
      expect(subscriptions).toBe(naive.clients.reduce((sum, one) => sum + one.subscriptions.size, 0));
      expect(goods.map(({ goods: own }) => own).sort()).toEqual([...naive.shelf.keys()].sort());
      for (const client of clients) client.session.end();
      for (const { subscribers, variants: keys } of testMarket.market.statistics().goods)
        expect(subscribers + keys).toBe(0);
      expect(testMarket.notes.failures).toEqual([]);
    }),
    { numRuns: 400 },
  );
});
