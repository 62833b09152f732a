import { describe, expect, test } from 'vitest';
import { Subscription, subscriptionKey } from '../../../src/goods/session/subscription.ts';
import { define, LooseGoods } from '../../support/test-shelf.ts';

const subscribe = (pattern: string, params?: unknown) => new Subscription(pattern, pattern, params, 1);
const shelved = (name: string) => new LooseGoods(define(name));

test('the key tells goods and params apart', () => {
  const keys = [
    subscriptionKey('a', ''),
    subscriptionKey('a', '""'),
    subscriptionKey('a', '{"b":1}'),
    subscriptionKey('b', '{"b":1}'),
    subscriptionKey('a{"b":1}', ''),
  ];
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys[0]).toBe('a');
});

describe('covers', () => {
  test.each([
    ['a', 'a', true],
    ['a', 'b', false],
    ['a/*', 'a/b', true],
    ['a/*', 'a', false],
    ['**', 'a/b', true],
  ])('%s covers %s: %s', (pattern, name, expected) => {
    expect(subscribe(pattern).covers(name)).toBe(expected);
  });

  test('no goods that were revoked, also by a pattern, and others still', () => {
    const subscription = subscribe('**');
    expect(subscription.isRevoked('a/b')).toBe(false);
    subscription.revoke('a/*');
    subscription.revoke('c');
    subscription.revoke('c');
    expect(['a/b', 'a/c', 'c', 'd'].map((name) => subscription.covers(name))).toEqual([false, false, false, true]);
    expect([subscription.isRevoked('a/b'), subscription.isRevoked('d')]).toEqual([true, false]);
  });
});

describe('streams', () => {
  test('are joined, and found by the name of their goods', () => {
    const subscription = subscribe('*');
    const [a, b] = [shelved('a'), shelved('b')];
    const stream = subscription.join(a.goods, 'v');
    subscription.join(b.goods, '');
    expect(stream).toBe(a.goods.stream('v'));
    expect(subscription.streamOf('a')).toBe(stream);
    expect(subscription.streamOf('c')).toBeUndefined();
    expect([...subscription.streams].map(({ shelved: { name } }) => name)).toEqual(['a', 'b']);
    expect(a.goods.isDisposable || b.goods.isDisposable).toBe(false);
  });

  test('that are left count no subscription any more', () => {
    const subscription = subscribe('a');
    const { goods } = shelved('a');
    subscription.leave(subscription.join(goods, ''));
    expect(subscription.streamOf('a')).toBeUndefined();
    expect([...goods.streams]).toEqual([]);
  });

  test('that are forgotten do not touch their goods, which were removed', () => {
    const subscription = subscribe('a');
    const loose = shelved('a');
    const stream = subscription.join(loose.goods, '');
    const changes = loose.demandChanges;
    subscription.forget(stream);
    expect([subscription.streamOf('a'), loose.demandChanges]).toEqual([undefined, changes]);
  });
});

test('the entry of the list has goods, params and the announcements of the streams', () => {
  const subscription = subscribe('*', { currency: 'CNY' });
  const { goods } = shelved('a');
  goods.load({ epoch: 'e', offset: 3 }, []);
  subscription.join(goods, 'CNY');
  expect(subscription.entry).toEqual({
    goods: '*',
    params: { currency: 'CNY' },
    streams: [{ goods: 'a', variant: 'CNY', kind: 'json', epoch: 'e', offset: 3 }],
  });
});
