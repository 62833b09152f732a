import { defineGoods } from '../../src/goods/definition/goods.ts';
import {
  decodeBytesItem,
  decodeBytesSupply,
  encodeBytesItem,
  encodeBytesSupply,
} from '../../src/goods/wire/binary-codec.ts';
import { WireError } from '../../src/goods/wire/goods-error.ts';
import { formatFrame, parseFrame, parseRequest } from '../../src/goods/wire/text-codec.ts';
import { TestMarket } from '../../test/support/test-market.ts';
import { choose, demand, type Target } from '../case.ts';
import { mutateJsonLines } from '../mutations/json.ts';

const any = defineGoods<unknown, unknown>('any', { variant: () => 'one', remote: true });
const apple = defineGoods('fruit/apple', { remote: true, history: { size: 10 } });
const camera = defineGoods<Uint8Array>('cam', { kind: 'bytes', remote: true });
const made = defineGoods('made/**', { remote: true });

/** Returns the result of a call, or null for a WireError. Other errors are rethrown. */
function outcome<T>(call: () => T): T | null {
  try {
    return call();
  } catch (error) {
    if (error instanceof WireError) return null;
    throw error;
  }
}

const requests = (...list: Record<string, unknown>[]): string =>
  list.map((request, i) => JSON.stringify({ ...request, id: i + 1 })).join('\n');

const binary = (octets: Uint8Array): string => `\u0000${Buffer.from(octets).toString('latin1')}`;

const seeds: readonly string[] = [
  requests(
    { op: 'subscribe', goods: 'any', params: { currency: 'CNY' } },
    { op: 'subscriptions' },
    { op: 'catalog', pattern: '**', limit: 2 },
    { op: 'unsubscribe', goods: 'any', params: { currency: 'CNY' } },
    { op: 'ping' },
  ),
  requests(
    { op: 'supply', goods: 'fruit/apple', items: [1, { price: 3 }] },
    { op: 'subscribe', goods: 'fruit/*', last: 2, since: [{ goods: 'fruit/apple', epoch: 'e', offset: 1 }] },
    { op: 'supply', goods: 'fruit/apple', items: ['x'] },
    { op: 'unsubscribe', goods: 'fruit/*' },
  ),
  requests(
    { op: 'shelve', goods: 'made/x' },
    { op: 'subscribe', goods: 'made/**' },
    { op: 'supply', goods: 'made/x', items: [null] },
    { op: 'unshelve', goods: 'made/x', reason: 'over' },
  ),
  [requests({ op: 'subscribe', goods: 'cam' }), binary(encodeBytesSupply(2, 'cam', Buffer.from('octets')))].join('\n'),
  formatFrame({ op: 'item', goods: 'any', offset: 1, item: { a: 1 } }),
  formatFrame({ op: 'skip', goods: 'any', variant: 'v', from: 1, to: 2, reason: 'dropped' }),
  binary(encodeBytesItem('cam', 'v', 7, Buffer.from('octets'))),
];

export const goods: Target = {
  name: 'goods',
  title:
    'Any input from a client of goods.v1 gets a reply or ends its connection, affects no others, and leaks nothing',

  seeds: () => seeds.map((text, config) => ({ octets: Buffer.from(text, 'latin1'), cut: [], config })),

  mutate: (random, given, other) => ({
    octets: mutateJsonLines(random, given.octets, other.octets),
    cut: [],
    config: random.oneIn(5) ? random.below(16) : given.config,
  }),

  run({ octets, config }) {
    const limits = choose(config, 0, [
      {},
      { subscriptions: 2 },
      { requestBurst: 4, requestsPerSecond: 1 },
      { nameLength: 8 },
    ]);
    const testMarket = new TestMarket({ limits });
    const provider = testMarket.market.provider('p');
    for (const one of [any, apple, made]) provider.shelve(one);
    provider.shelve(camera);
    const shelf = testMarket.market.statistics().goods.length;
    const witness = testMarket.connect();
    witness.subscribe('any');
    const client = testMarket.connect();
    const codes = new Set<string>();

    const asked: number[] = [];
    for (const line of octets.toString('latin1').split('\n')) {
      if (client.closed !== null || client.isTerminated) break;
      if (line.startsWith('\u0000')) {
        const message = Buffer.from(line.slice(1), 'latin1');
        const supply = outcome(() => decodeBytesSupply(message));
        if (supply !== null) {
          const again = encodeBytesSupply(supply.id, supply.goods, supply.item);
          demand(message.equals(again), 'a supply is encoded as it came', message);
          asked.push(supply.id);
        }
        const item = outcome(() => decodeBytesItem(message));
        if (item !== null) {
          const again = encodeBytesItem(item.goods, item.variant ?? '', item.offset, item.item);
          demand(message.equals(again), 'an item is encoded as it came', message);
        }
        client.session.receiveBytes(message);
      } else {
        const request = outcome(() => parseRequest(line));
        if (request !== null) asked.push(request.id);
        const frame = outcome(() => parseFrame(line));
        if (frame !== null)
          demand(parseFrame(formatFrame(frame)) !== null, 'a parsed frame can be formatted and parsed again');
        client.session.receive(line);
      }
      testMarket.flush();
    }

    const isGone = client.closed !== null || client.isTerminated;
    if (!isGone) {
      for (const id of asked) {
        const replies = client.frames.filter((frame) => (frame.op === 'ok' || frame.op === 'error') && frame.id === id);
        demand(replies.length === 1, 'each request has one reply', [id, replies]);
      }
    }
    for (const frame of client.frames) if (frame.op === 'error') codes.add(frame.code);
    demand(testMarket.notes.failures.length === 0, 'nothing fails on our side', testMarket.notes.failures.map(String));

    witness.take();
    provider.supply(any, 'still here');
    testMarket.flush();
    demand(
      witness.take().some((line) => line.endsWith('"still here"')),
      'other subscribers get supplied items',
    );
    client.session.end();
    witness.session.end();
    const { sessions, subscriptions, goods: left } = testMarket.market.statistics();
    demand(sessions === 0 && subscriptions === 0, 'a connection that ends leaves nothing behind', [
      sessions,
      subscriptions,
    ]);
    demand(
      left.every(({ subscribers }) => subscribers === 0),
      'no disconnected subscriber is counted',
    );
    demand(({} as { polluted?: unknown }).polluted === undefined, 'names do not reach prototypes');
    return `${client.closed?.code} ${[...codes].sort()} ${Math.min(5, left.length - shelf)}`;
  },
};
