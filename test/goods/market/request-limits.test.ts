import { describe, expect, test } from 'vitest';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import { TestMarket } from '../../support/test-market.ts';

describe('requests that nobody decides on', () => {
  test('are capped where each is about other goods', () => {
    const testMarket = new TestMarket({ limits: { requestBurst: 5, requestsPerSecond: 1000 } });
    testMarket.market.provider('p').shelve(defineGoods('n/*', { authorize: () => new Promise(() => {}) }));
    const client = testMarket.connect();
    const codes: (string | undefined)[] = [];
    for (let i = 0; i < 7; i++) {
      // Slow enough for the rate: only the waiting is at its limit.
      testMarket.time += 1;
      const id = client.begin('subscribe', { goods: `n/${i}` });
      testMarket.flush();
      const reply = client.replyTo(id);
      codes.push(reply?.op === 'error' ? reply.code : reply?.op);
    }
    expect(codes).toEqual([...Array(5).fill(undefined), 'too-many-pending', 'too-many-pending']);
  });
});

describe('requests that look through a large shelf', () => {
  function shop(goods: number, requestBurst: number) {
    const testMarket = new TestMarket({ limits: { requestBurst, requestsPerSecond: 10 } });
    const provider = testMarket.market.provider('p');
    for (let i = 0; i < goods; i++) provider.shelve(defineGoods(`n/${i}`));
    return testMarket.connect();
  }

  test.each([
    ['catalog', {}],
    ['subscribe', { goods: 'n/*' }],
  ])('%s counts as one more for every 1000 goods', (op, fields) => {
    const client = shop(2000, 7);
    expect(client.ask(op, fields)).toMatchObject({ op: 'ok' });
    expect(client.ask(op, fields)).toMatchObject({ op: 'ok' });
    // One is left of the seven, and two are missing.
    expect(client.ask(op, fields)).toMatchObject({ code: 'rate-limited', retryAfter: 200 });
    expect(client.ask('subscribe', { goods: 'n/1' })).toMatchObject({ op: 'ok' });
  });

  test('can be made even where they cost more than may be asked at once', () => {
    const client = shop(5000, 2);
    expect(client.ask('catalog')).toMatchObject({ op: 'ok' });
    expect(client.ask('ping')).toMatchObject({ code: 'rate-limited' });
  });
});
