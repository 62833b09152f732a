import { describe, expect, test } from 'vitest';
import type { Supply } from '../../../src/goods/backplane/backplane.ts';
import { MemoryBackplane, randomEpoch } from '../../../src/goods/backplane/memory-backplane.ts';
import { DistantBackplane } from '../../support/distant-backplane.ts';
import { backplaneContract } from './backplane-contract.ts';

function inMemory() {
  let now = 0;
  const wait = (milliseconds: number): void => {
    now += milliseconds;
  };
  return { plane: new MemoryBackplane({ now: () => now }), wait };
}

backplaneContract('in memory', () => {
  const { plane, wait } = inMemory();
  return { here: plane, there: plane, wait, close: () => {} };
});

backplaneContract('that answers later', () => {
  const { plane, wait } = inMemory();
  return { here: new DistantBackplane(plane), there: new DistantBackplane(plane), wait, close: () => {} };
});

const json = (...items: unknown[]): Supply => ({ kind: 'json', items });
const kept = { size: 10 };

describe('the log of goods', () => {
  test('is dropped with the last listener: the next one begins another epoch', () => {
    let epochs = 0;
    const plane = new MemoryBackplane({ epoch: () => `e${++epochs}` });
    const listener = () => {};
    expect(plane.subscribe('n', listener)).toEqual({ epoch: 'e1', offset: 0 });
    plane.publish('n', json(1), kept);
    plane.unsubscribe('n', listener);
    expect(plane.history('n', 5)).toEqual([]);
    expect(plane.subscribe('n', listener)).toEqual({ epoch: 'e2', offset: 0 });
  });

  test('is not kept for goods without a listener', () => {
    const plane = new MemoryBackplane();
    const [first, second] = [plane.publish('n', json(1), kept), plane.publish('n', json(1), kept)];
    expect([first.offset, second.offset]).toEqual([1, 1]);
    expect(first.epoch).not.toBe(second.epoch);
    expect(plane.history('n', 5)).toEqual([]);
  });

  test('has each item of a supply on its own, with its JSON if the supply has it', () => {
    const plane = new MemoryBackplane({ now: () => 7, epoch: () => 'e' });
    plane.subscribe('n', () => {});
    plane.publish('n', { kind: 'json', items: [1, 2], texts: ['1', '2'] }, kept);
    plane.publish('n', json(3), kept);
    const common = { kind: 'json', epoch: 'e', time: 7 };
    expect(plane.history('n', 5)).toEqual([
      { ...common, offset: 1, items: [1], texts: ['1'] },
      { ...common, offset: 2, items: [2], texts: ['2'] },
      { ...common, offset: 3, items: [3], texts: undefined },
    ]);
  });

  test('holds at most twice as many items as the history has, and none that has expired', () => {
    const { plane, wait } = inMemory();
    plane.subscribe('n', () => {});
    for (let i = 0; i < 1000; i++) {
      plane.publish('n', json(i), { size: 5 });
      expect(plane.history('n', 1000).length).toBeLessThanOrEqual(10);
    }
    wait(50);
    plane.publish('n', json('late'), { size: 5, ttl: 50 });
    expect(plane.history('n', 1000)).toMatchObject([{ items: ['late'], offset: 1001 }]);
    wait(49);
    plane.publish('n', json('later'), { size: 5, ttl: 50 });
    expect(plane.history('n', 1000)).toHaveLength(2);
  });

  test('with a size of 0 holds nothing, also where items expire', () => {
    const { plane } = inMemory();
    plane.subscribe('n', () => {});
    plane.publish('n', json(1), { size: 0, ttl: 50 });
    expect(plane.history('n', 5)).toEqual([]);
  });
});

describe('while a supply is being delivered', () => {
  test('a listener that subscribes gets the supplies that wait, and the history lacks exactly those', () => {
    const plane = new MemoryBackplane();
    const late: number[] = [];
    let position: unknown;
    plane.subscribe('n', ({ offset }) => {
      if (offset !== 1) return;
      plane.publish('n', json(2, 3), kept);
      expect(plane.history('n', 5).map((published) => published.offset)).toEqual([1]);
      position = plane.subscribe('n', (published) => late.push(published.offset));
    });
    plane.publish('n', json(1), kept);
    expect(position).toMatchObject({ offset: 1 });
    expect(late).toEqual([2]);
    expect(plane.history('n', 5).map(({ offset }) => offset)).toEqual([1, 2, 3]);
  });

  test('a listener that another one removes is not called any more', () => {
    const plane = new MemoryBackplane();
    const calls: string[] = [];
    const second = () => void calls.push('second');
    plane.subscribe('n', () => {
      calls.push('first');
      plane.unsubscribe('n', second);
    });
    plane.subscribe('n', second);
    plane.publish('n', json(1), kept);
    expect(calls).toEqual(['first']);
  });

  test('an error thrown by a listener reaches the publisher, and later supplies are delivered', () => {
    const plane = new MemoryBackplane();
    const offsets: number[] = [];
    plane.subscribe('n', ({ offset }) => {
      offsets.push(offset);
      if (offset === 1) throw new Error('mine');
    });
    expect(() => plane.publish('n', json(1), kept)).toThrow('mine');
    expect(plane.publish('n', json(2), kept)).toMatchObject({ offset: 2 });
    expect(offsets).toEqual([1, 2]);
  });
});

test('a backplane in memory loses no items: it never calls the listener for gaps', () => {
  const plane = new MemoryBackplane();
  const gaps: unknown[] = [];
  plane.onGap(...([(goods: string) => void gaps.push(goods)] as unknown as []));
  plane.subscribe('n', () => {});
  plane.publish('n', json(1), kept);
  expect(gaps).toEqual([]);
});

test('no two epochs are equal', () => {
  const epochs = new Set(Array.from({ length: 1000 }, randomEpoch));
  expect(epochs.size).toBe(1000);
  for (const epoch of epochs) expect(epoch).toMatch(/^[0-9a-z]{14}$/);
});
