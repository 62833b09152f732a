import { describe, expect, test } from 'vitest';
import { MemoryBackplane } from '../../../src/goods/backplane/memory-backplane.ts';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import { DistantBackplane } from '../../support/distant-backplane.ts';
import { shop, TestMarket } from '../../support/test-market.ts';

describe('requests that the application never decides on', () => {
  test('are limited in number, also if each is about other goods', () => {
    const testMarket = new TestMarket({ limits: { requestBurst: 5, requestsPerSecond: 1000 } });
    testMarket.market.provider('p').shelve(defineGoods('n/*', { authorize: () => new Promise(() => {}) }));
    const client = testMarket.connect();
    const codes: (string | undefined)[] = [];
    for (let i = 0; i < 7; i++) {
      // Slow enough for the rate limit: only the number of pending requests is at its maximum.
      testMarket.time += 1;
      const id = client.begin('subscribe', { goods: `n/${i}` });
      testMarket.flush();
      const reply = client.replyTo(id);
      codes.push(reply?.op === 'error' ? reply.code : reply?.op);
    }
    expect(codes).toEqual([...Array(5).fill(undefined), 'too-many-pending', 'too-many-pending']);
  });

  test('are limited in number, also if all are about the same goods', () => {
    const testMarket = new TestMarket({ limits: { requestBurst: 5, requestsPerSecond: 1_000_000 } });
    testMarket.market.provider('p').shelve(defineGoods('n', { authorize: () => new Promise(() => {}) }));
    const client = testMarket.connect();
    for (let i = 0; i < 5; i++) {
      client.begin('subscribe', { goods: 'n' });
      testMarket.time += 10;
    }
    expect(client.subscribe('n')).toMatchObject({ code: 'too-many-pending' });
  });
});

describe('requests that search a large shelf', () => {
  function largeShop(goods: number, requestBurst: number) {
    const testMarket = new TestMarket({ limits: { requestBurst, requestsPerSecond: 10 } });
    const provider = testMarket.market.provider('p');
    for (let i = 0; i < goods; i++) provider.shelve(defineGoods(`n/${i}`));
    return testMarket.connect();
  }

  test.each([
    ['catalog', {}],
    ['subscribe', { goods: 'n/*' }],
  ])('%s counts as one more request for every 1000 goods', (op, fields) => {
    const client = largeShop(2000, 7);
    expect(client.ask(op, fields)).toMatchObject({ op: 'ok' });
    expect(client.ask(op, fields)).toMatchObject({ op: 'ok' });
    // One is left of the seven, and two are missing.
    expect(client.ask(op, fields)).toMatchObject({ code: 'rate-limited', retryAfter: 200 });
    expect(client.ask('subscribe', { goods: 'n/1' })).toMatchObject({ op: 'ok' });
  });

  test('can be sent even if they cost more than the burst', () => {
    const client = largeShop(5000, 2);
    expect(client.ask('catalog')).toMatchObject({ op: 'ok' });
    expect(client.ask('ping')).toMatchObject({ code: 'rate-limited' });
  });
});

test('a request that fails for another reason is answered with internal, and the failure is reported', async () => {
  const backplane = new DistantBackplane(new MemoryBackplane());
  const testMarket = new TestMarket({ backplane });
  testMarket.market.provider('p').shelve(defineGoods<number>('n', { remote: true }));
  const one = testMarket.connect();
  await one.askLater('subscribe', { goods: 'n' });
  backplane.isDown = true;
  expect(await one.askLater('supply', { goods: 'n', items: [1] })).toMatchObject({ op: 'error', code: 'internal' });
  expect(testMarket.notes.failures.map(({ place }) => place).sort()).toEqual(['backplane', 'market']);
  expect(one.ask('ping')).toMatchObject({ op: 'ok' });
});

test('a refusal that comes when the connection is closed is not sent', async () => {
  const { testMarket } = shop(defineGoods<number>('n', { authorize: async () => false }));
  const one = testMarket.connect();
  one.begin('subscribe', { goods: 'n' });
  one.begin('unsubscribe', { goods: 'n' });
  one.session.close(1000, '');
  await new Promise((resolve) => setImmediate(resolve));
  testMarket.flush();
  expect([one.take(), testMarket.notes.refusals]).toEqual([[], []]);
});

test('a message whose reading throws anything but a WireError ends the connection with 1007', () => {
  const { testMarket } = shop();
  const one = testMarket.connect();
  one.session.receiveText({
    length: 1,
    toString: () => {
      throw new RangeError('mine');
    },
  } as unknown as Buffer);
  expect(one.closed).toEqual({ code: 1007, reason: 'no message of goods.v1' });
  expect(testMarket.notes.refusals).toEqual(['mine']);
});

test('any message is a sign of life', () => {
  const { testMarket, market } = shop();
  const one = testMarket.connect();
  for (let i = 0; i < 5; i++) {
    market.sendHeartbeats();
    one.ask('ping');
  }
  expect(one).toMatchObject({ isTerminated: false, pings: 5 });
});
