import { describe, expect, test } from 'vitest';
import { defineGoods } from '../../src/goods/goods.ts';
import { Counter } from './counter.ts';

describe('requests that nobody decides on', () => {
  test('are capped where each is about other goods', () => {
    const counter = new Counter({ limits: { requestBurst: 5, requestsPerSecond: 1000 } });
    counter.market.provider('p').shelve(defineGoods('n/*', { authorize: () => new Promise(() => {}) }));
    const customer = counter.connect();
    const codes: (string | undefined)[] = [];
    for (let i = 0; i < 7; i++) {
      // Slow enough for the rate: only the waiting is at its limit.
      counter.time += 1;
      const id = customer.begin('subscribe', { goods: `n/${i}` });
      counter.flush();
      const reply = customer.replyTo(id);
      codes.push(reply?.op === 'error' ? reply.code : reply?.op);
    }
    expect(codes).toEqual([...Array(5).fill(undefined), 'too-many-pending', 'too-many-pending']);
  });
});

describe('requests that look through a large shelf', () => {
  function shop(goods: number, requestBurst: number) {
    const counter = new Counter({ limits: { requestBurst, requestsPerSecond: 10 } });
    const provider = counter.market.provider('p');
    for (let i = 0; i < goods; i++) provider.shelve(defineGoods(`n/${i}`));
    return counter.connect();
  }

  test.each([
    ['catalog', {}],
    ['subscribe', { goods: 'n/*' }],
  ])('%s counts as one more for every 1000 goods', (op, fields) => {
    const customer = shop(2000, 7);
    expect(customer.ask(op, fields)).toMatchObject({ op: 'ok' });
    expect(customer.ask(op, fields)).toMatchObject({ op: 'ok' });
    // One is left of the seven, and two are missing.
    expect(customer.ask(op, fields)).toMatchObject({ code: 'rate-limited', retryAfter: 200 });
    expect(customer.ask('subscribe', { goods: 'n/1' })).toMatchObject({ op: 'ok' });
  });

  test('can be made even where they cost more than may be asked at once', () => {
    const customer = shop(5000, 2);
    expect(customer.ask('catalog')).toMatchObject({ op: 'ok' });
    expect(customer.ask('ping')).toMatchObject({ code: 'rate-limited' });
  });
});
