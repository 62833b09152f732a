import fc from 'fast-check';
import { expect, test } from 'vitest';
import { defineGoods, type Overflow } from '../../../src/goods/definition/goods.ts';
import type { Stream } from '../../../src/goods/wire/frames.ts';
import { type TestClient, TestMarket } from '../../support/test-market.ts';

// A client that reads at any time, or not at all, checked by the rules that docs/goods-protocol.md has for clients.

const names = ['a', 'b'] as const;
const patterns = ['a', 'b', '*'] as const;
const item = 'x'.repeat(70_000);

/** The state of a client, computed from the frames that it gets and from nothing else. */
class Book {
  /** The streams of each subscription. */
  readonly #subscriptions = new Map<string, Set<string>>();
  /** The last offset of each stream: at first the offset that the stream was announced with. */
  readonly last = new Map<string, number>();
  /** Number of times that each stream may go back: once for each subscribe that leads to it. */
  readonly #repeats = new Map<string, number>();
  readonly #asked = new Map<number, { readonly op: string; readonly key: string }>();
  readonly #client: TestClient;

  constructor(client: TestClient) {
    this.#client = client;
    client.onFrame = (frame) => this.#read(frame);
  }

  ask(op: 'subscribe' | 'unsubscribe', goods: string, params: string, last: number): void {
    const key = `${goods}?${params}`;
    const id = this.#client.begin(op, {
      goods,
      ...(params === '' ? {} : { params }),
      ...(op === 'subscribe' && { last }),
    });
    this.#asked.set(id, { op, key });
  }

  #hold(key: string, { goods, variant = '', offset }: Stream): void {
    const stream = `${goods}[${variant}]`;
    const streams = this.#subscriptions.get(key) ?? new Set();
    this.#subscriptions.set(key, streams.add(stream));
    if (!this.last.has(stream)) this.last.set(stream, offset);
    this.#repeats.set(stream, (this.#repeats.get(stream) ?? 0) + 1);
  }

  #drop(isGone: (key: string, stream: string) => boolean): void {
    for (const [key, streams] of this.#subscriptions)
      for (const stream of streams) if (isGone(key, stream)) streams.delete(stream);
    const held = new Set([...this.#subscriptions.values()].flatMap((streams) => [...streams]));
    for (const stream of this.last.keys()) {
      if (held.has(stream)) continue;
      this.last.delete(stream);
      this.#repeats.delete(stream);
    }
  }

  #read(frame: TestClient['frames'][number]): void {
    switch (frame.op) {
      case 'ok': {
        const { op, key } = this.#asked.get(frame.id)!;
        if (op === 'unsubscribe') this.#drop((own) => own === key);
        else for (const stream of frame.streams!) this.#hold(key, stream);
        break;
      }
      case 'shelved':
        this.#hold(`${frame.goods}?${(frame.params as string | undefined) ?? ''}`, frame.stream);
        break;
      case 'unshelved':
        this.#drop((_key, stream) => stream.startsWith(`${frame.goods}[`));
        break;
      case 'item':
      case 'skip': {
        const stream = `${frame.goods}[${frame.variant ?? ''}]`;
        const [from, to] = frame.op === 'item' ? [frame.offset, frame.offset] : [frame.from, frame.to];
        const last = this.last.get(stream);
        // No item follows the reply to an unsubscribe.
        expect(last, `${stream} ${from} is of no subscription`).toBeDefined();
        // There is no gap, and no item comes twice but those that were asked for again.
        if (from !== last! + 1) {
          expect(from, `${stream} after ${last}`).toBeLessThanOrEqual(last!);
          const repeats = this.#repeats.get(stream)!;
          expect(repeats, `${stream} ${from} after ${last} again`).toBeGreaterThan(0);
          this.#repeats.set(stream, repeats - 1);
        }
        this.last.set(stream, to);
      }
    }
  }
}

type Step =
  | { readonly do: 'subscribe' | 'unsubscribe'; readonly goods: string; readonly params: string; readonly last: number }
  | { readonly do: 'supply' | 'shelve' | 'unshelve'; readonly name: string }
  | { readonly do: 'flush' | 'read' | 'stop' };

const name = fc.constantFrom(...names);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('subscribe' as const, 'subscribe' as const, 'unsubscribe' as const),
      goods: fc.constantFrom(...patterns),
      params: fc.constantFrom('', '', '', 'v'),
      last: fc.nat(4),
    }),
  },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('supply' as const), name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('shelve' as const, 'unshelve' as const), name }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('flush' as const, 'read' as const, 'stop' as const) }) },
);

test.each(['conflate', 'drop-oldest'] as const)(
  'a client that reads at any time sees no gap, and no item that it has not asked for: %s',
  (overflow: Overflow) => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 6 }), fc.array(step, { maxLength: 60 }), (size, steps) => {
        const testMarket = new TestMarket({ highWaterMark: 65_536 });
        const provider = testMarket.market.provider('p');
        const definitions = Object.fromEntries(
          names.map((own) => [
            own,
            defineGoods<string, string | undefined>(own, {
              variant: (_subscriber, params) => params ?? '',
              overflow,
              history: { size },
            }),
          ]),
        );
        const shelved = new Set<string>(names);
        for (const own of names) provider.shelve(definitions[own]!);
        const client = testMarket.connect();
        const book = new Book(client);
        for (const one of steps) {
          switch (one.do) {
            case 'subscribe':
            case 'unsubscribe':
              book.ask(one.do, one.goods, one.params, one.last);
              break;
            case 'supply':
              if (shelved.has(one.name)) provider.supply(definitions[one.name]!, item);
              break;
            case 'shelve':
              if (!shelved.has(one.name)) provider.shelve(definitions[one.name]!);
              shelved.add(one.name);
              break;
            case 'unshelve':
              if (shelved.delete(one.name)) provider.unshelve(definitions[one.name]!);
              break;
            case 'flush':
              testMarket.flush();
              break;
            case 'read':
              client.isStuck = false;
              client.read();
              break;
            case 'stop':
              client.isStuck = true;
          }
          if (client.isStuck) expect(client.bufferedAmount).toBeLessThan(1_000_000);
        }
        expect(client.closed).toBeNull();
        client.isStuck = false;
        testMarket.flush();
        client.read();
        expect(client.closed).toBeNull();
        // In the end the client has every item, or was told that it is lost.
        for (const { goods, offset } of testMarket.market.statistics().goods) {
          for (const [stream, last] of book.last) {
            if (stream.startsWith(`${goods}[`)) expect(last).toBe(offset);
          }
        }
        expect(testMarket.notes.failures).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  },
);
