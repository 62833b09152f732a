import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { defineGoods, Market } from '../../../src/goods.ts';
import { type PerMessageDeflateOptions, WebSocketServer } from '../../../src/index.ts';
import { FrailWay } from '../../support/frail-way.ts';

interface Stream {
  readonly goods: string;
  readonly variant?: string;
  readonly epoch: string;
  readonly offset: number;
  readonly recovered?: boolean;
}

interface Position {
  readonly epoch: string;
  offset: number;
  /** Last offset that the first item may skip: the client cannot know whether the latest item is kept. */
  free: number;
  /** Last offset up to which the market has promised every item. */
  promised: number;
}

/** A client written from docs/goods-protocol.md alone. */
class Reader {
  readonly got = new Map<string, (number | 'gap')[]>();
  readonly wrong: string[] = [];
  connections = 0;
  readonly #address: string;
  readonly #pattern: string;
  readonly #params: unknown;
  readonly #positions = new Map<string, Position>();
  readonly #onChange: () => void;
  #streams = new Set<string>();
  #isEnded = false;
  #socket: WebSocket | null = null;

  constructor(address: string, pattern: string, params: unknown, onChange: () => void) {
    this.#address = address;
    this.#pattern = pattern;
    this.#params = params;
    this.#onChange = onChange;
    this.#connect();
  }

  get isSubscribed(): boolean {
    return this.#streams.size > 0;
  }

  end(): void {
    this.#isEnded = true;
    this.#socket?.terminate();
  }

  lastOf(goods: string): number {
    return this.#positions.get(goods)?.offset ?? 0;
  }

  #connect(): void {
    this.connections++;
    this.#streams = new Set();
    const socket = new WebSocket(this.#address, 'goods.v1');
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('close', () => {
      if (!this.#isEnded) this.#connect();
    });
    socket.on('message', (data) => this.#take(JSON.parse(String(data))));
  }

  // biome-ignore lint/suspicious/noExplicitAny: the reader is written from the document, and has no types of frames.
  #take(frame: any): void {
    switch (frame.op) {
      case 'welcome': {
        const since = [...this.#positions].map(([goods, { epoch, offset }]) => ({ goods, epoch, offset }));
        const request = { op: 'subscribe', id: 1, goods: this.#pattern, params: this.#params };
        this.#socket?.send(JSON.stringify(since.length === 0 ? request : { ...request, since }));
        break;
      }
      case 'ok':
        for (const stream of frame.streams) this.#begin(stream);
        break;
      case 'shelved':
        this.#begin(frame.stream);
        break;
      case 'item':
        this.#pass(frame, frame.offset, frame.offset, () => frame.offset);
        this.#check(frame.goods, frame.offset, frame.item);
        break;
      case 'items':
        for (const [i, item] of frame.items.entries()) {
          this.#pass(frame, frame.offset + i, frame.offset + i, () => frame.offset + i);
          this.#check(frame.goods, frame.offset + i, item);
        }
        break;
      case 'skip':
        if (frame.reason === 'dropped' && frame.from <= (this.#positions.get(frame.goods)?.promised ?? 0)) {
          this.wrong.push(`${frame.goods}: ${frame.from} was to be recovered`);
        }
        this.#pass(frame, frame.from, frame.to, () => (frame.reason === 'filtered' ? null : 'gap'));
        break;
      default:
        this.wrong.push(JSON.stringify(frame));
    }
    this.#onChange();
  }

  #begin({ goods, variant = '', epoch, offset, recovered }: Stream): void {
    this.#streams.add(`${goods} ${variant}`);
    const position = this.#positions.get(goods);
    if (!this.got.has(goods)) this.got.set(goods, []);
    if (position !== undefined && recovered === true) {
      if (position.epoch !== epoch) this.wrong.push(`${goods} is recovered in another epoch`);
      position.promised = offset;
      return;
    }
    if (position !== undefined) this.got.get(goods)!.push('gap');
    // The latest item was asked for too.
    this.#positions.set(goods, { epoch, offset: Math.max(0, offset - 1), free: offset, promised: 0 });
  }

  #pass(
    { goods, variant = '' }: { goods: string; variant?: string },
    from: number,
    to: number,
    what: () => number | 'gap' | null,
  ): void {
    if (!this.#streams.has(`${goods} ${variant}`)) return;
    const position = this.#positions.get(goods)!;
    if (to <= position.offset) return;
    if (from > Math.max(position.offset, position.free) + 1) {
      this.wrong.push(`${goods}: ${from} follows ${position.offset}`);
    }
    position.offset = to;
    position.free = 0;
    const passed = what();
    if (passed !== null) this.got.get(goods)!.push(passed);
  }

  #check(goods: string, offset: number, item: unknown): void {
    if (item !== `${goods} ${offset}`) this.wrong.push(`${goods} ${offset} is ${JSON.stringify(item)}`);
  }
}

/**
 * Supplies goods while the connection of the reader is cut several times. Waits until the reader has every item that it
 * can have.
 */
async function run(size: number, { cuts, batches, perMessageDeflate }: Course, isTailored: boolean) {
  const market = new Market({ limits: { requestsPerSecond: 1_000_000, requestBurst: 1_000_000 } });
  const provider = market.provider('p');
  const goods = ['n/a', 'n/b'].map((name) =>
    defineGoods<string, unknown>(name, {
      history: { size },
      variant: () => 'v',
      ...(isTailored ? { tailor: (item: string) => item } : {}),
    }),
  );
  for (const one of goods) provider.shelve(one);
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate });
  const agreed = new Set<boolean>();
  server.on('connection', ({ extensions }) => agreed.add(extensions.startsWith('permessage-deflate')));
  market.serve(server);
  await once(server, 'listening');
  const way = new FrailWay((server.address() as AddressInfo).port, cuts);
  const port = await way.open();
  let onChange = () => {};
  const until = async (isSo: () => boolean) => {
    while (!isSo() && reader.wrong.length === 0)
      await new Promise<void>((resolve) => {
        onChange = resolve;
      });
  };
  const reader = new Reader(`ws://127.0.0.1:${port}`, 'n/*', { any: 1 }, () => onChange());
  try {
    await until(() => reader.isSubscribed);
    const supplied = [0, 0];
    for (const [i, count] of batches.entries()) {
      const one = i % 2;
      const { name } = goods[one]!;
      const items = Array.from({ length: count }, (_, k) => `${name} ${supplied[one]! + k + 1}`);
      provider.supplyAll(goods[one]!, items);
      supplied[one]! += count;
      // Every fifth time the reader can catch up. Otherwise many items come at once.
      if (i % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => goods.every(({ name }, i) => reader.lastOf(name) === supplied[i]));
    expect(reader.wrong).toEqual([]);
    expect([...agreed]).toEqual([perMessageDeflate !== false]);
    return { reader, supplied, way };
  } finally {
    reader.end();
    way.close();
    for (const socket of server.clients) socket.terminate();
    server.close();
  }
}

interface Course {
  /** Bytes that come from the server before each cut. */
  readonly cuts: readonly number[];
  /** Numbers of items that are supplied together, to each of the two goods in turn. */
  readonly batches: readonly number[];
  readonly perMessageDeflate: boolean | PerMessageDeflateOptions;
}

const course: fc.Arbitrary<Course> = fc.record({
  cuts: fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 12, size: 'max' }),
  batches: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 120, size: 'max' }),
  perMessageDeflate: fc.constantFrom(
    false,
    { threshold: 0 },
    // Compressed once for all clients.
    { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
  ),
});

test('wherever the connection is cut, a client that resumes gets each kept item once and in order', async () => {
  let connections = 0;
  await fc.assert(
    fc.asyncProperty(course, fc.boolean(), async (course, isTailored) => {
      const { reader, supplied } = await run(10_000, course, isTailored);
      connections += reader.connections;
      for (const [i, goods] of ['n/a', 'n/b'].entries()) {
        expect(reader.got.get(goods)).toEqual(Array.from({ length: supplied[i]! }, (_, k) => k + 1));
      }
    }),
    { numRuns: 25 },
  );
  // Otherwise the cuts came too late to have an effect.
  expect(connections).toBeGreaterThan(30);
});

test('if too few items are kept, the missing ones are reported, and no item comes twice', async () => {
  let gaps = 0;
  await fc.assert(
    fc.asyncProperty(course, fc.integer({ min: 1, max: 40 }), async (course, size) => {
      const { reader, supplied } = await run(size, course, false);
      for (const [i, goods] of ['n/a', 'n/b'].entries()) {
        let last = 0;
        let isMissing = false;
        for (const one of reader.got.get(goods)!) {
          if (one === 'gap') {
            gaps++;
            isMissing = true;
            continue;
          }
          expect(one).toBeGreaterThan(last);
          if (!isMissing) expect(one).toBe(last + 1);
          isMissing = false;
          last = one;
        }
        expect(last).toBe(supplied[i]);
      }
    }),
    { numRuns: 25 },
  );
  expect(gaps).toBeGreaterThan(0);
});
