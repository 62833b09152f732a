import { afterEach, describe, expect, test, vi } from 'vitest';
import { monotonicTime } from '../../../src/event-loop/monotonic-time.ts';
import { MemoryBackplane } from '../../../src/goods/backplane/memory-backplane.ts';
import { defaultLimits, type MarketOptions, readMarketOptions } from '../../../src/goods/market/market-options.ts';
import { Notes } from '../../support/test-market.ts';

afterEach(() => void vi.useRealTimers());

const schedule = () => {};
const read = (options: MarketOptions = {}) => readMarketOptions(options, schedule);

test('every option has a default', () => {
  expect(read()).toMatchObject({
    limits: defaultLimits,
    heartbeat: 30_000,
    highWaterMark: 262_144,
    maxOnDemandGoods: 100_000,
    rateTime: monotonicTime,
    random: Math.random,
    schedule,
    backplane: expect.any(MemoryBackplane),
    observer: { failure: expect.any(Function) },
  });
});

test('by default, the time is the date of the moment, and the rate limits do not use it', () => {
  const { now, rateTime } = read();
  vi.useFakeTimers({ now: 1e15, toFake: ['Date'] });
  expect(now()).toBe(1e15);
  expect(rateTime()).toBeLessThan(1e12);
});

test('options that are given are used, and a limit changes no other', () => {
  const given = {
    heartbeat: 0,
    highWaterMark: 65_536,
    maxOnDemandGoods: 0,
    now: () => 1,
    random: () => 0,
    schedule: () => {},
    backplane: new MemoryBackplane(),
    observer: new Notes(),
  };
  expect(read({ ...given, limits: { subscriptions: 1 } })).toEqual({
    ...given,
    rateTime: given.now,
    limits: { ...defaultLimits, subscriptions: 1 },
  });
});

test('the former name of maxOnDemandGoods works, and the new name takes precedence', () => {
  expect(read({ madeGoods: 7 }).maxOnDemandGoods).toBe(7);
  expect(read({ madeGoods: 7, maxOnDemandGoods: 8 }).maxOnDemandGoods).toBe(8);
  expect(() => read({ madeGoods: -1 })).toThrow('maxOnDemandGoods is a number ≥ 0; got -1');
});

test('the backplane in memory has the clock of the market', () => {
  const { backplane } = read({ now: () => 42 });
  const times: number[] = [];
  void backplane.subscribe('n', ({ time }) => times.push(time));
  void backplane.publish('n', { kind: 'json', items: [1] }, { size: 1 });
  expect(times).toEqual([42]);
});

describe('invalid options are refused', () => {
  test.each<[MarketOptions, string]>([
    [{ heartbeat: -1 }, 'heartbeat is 0 to 2^31-1 milliseconds; got -1'],
    [{ heartbeat: 2 ** 31 }, 'got 2147483648'],
    [{ heartbeat: Number.NaN }, 'got NaN'],
    [{ highWaterMark: 1 }, 'highWaterMark is at least 65536 bytes; got 1'],
    [{ highWaterMark: Number.NaN }, 'got NaN'],
    [{ maxOnDemandGoods: -1 }, 'maxOnDemandGoods is a number ≥ 0; got -1'],
    [{ maxOnDemandGoods: Number.NaN }, 'got NaN'],
  ])('%o', (options, message) => {
    expect(() => read(options)).toThrow(RangeError);
    expect(() => read(options)).toThrow(message);
  });

  test.each(Object.keys(defaultLimits))('limits.%s is an integer of at least 1', (name) => {
    for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5' as unknown as number]) {
      expect(() => read({ limits: { [name]: value } })).toThrow(`limits.${name} is an integer ≥ 1; got ${value}`);
    }
    expect(read({ limits: { [name]: 1 } }).limits).toMatchObject({ [name]: 1 });
  });
});
