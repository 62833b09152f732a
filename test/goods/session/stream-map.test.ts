import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StreamMap } from '../../../src/goods/session/stream-map.ts';
import type { GoodsStream } from '../../../src/goods/shelf/shelved-goods.ts';
import { define, LooseGoods } from '../../support/test-shelf.ts';

const names = ['a', 'b', 'c', '__proto__'] as const;
/** Two streams of each goods. */
const streams: Readonly<Record<string, readonly GoodsStream[]>> = Object.fromEntries(
  names.map((name) => {
    const { goods } = new LooseGoods(define(name));
    return [`goods ${name}`, [goods.stream('v'), goods.stream('w')]];
  }),
);

test('it has the same streams as a Map, whatever is set and deleted', () => {
  const step = fc.record({ name: fc.constantFrom(...names), which: fc.constantFrom(0, 1, 'delete' as const) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
      const map = new StreamMap();
      const model = new Map<string, GoodsStream>();
      for (const { name, which } of steps) {
        if (which === 'delete') {
          map.delete(name);
          model.delete(name);
        } else {
          const stream = streams[`goods ${name}`]![which]!;
          map.set(name, stream);
          model.set(name, stream);
        }
        const values = [...map.values()];
        expect(values).toHaveLength(model.size);
        expect(new Set(values)).toEqual(new Set(model.values()));
        for (const one of names) expect(map.get(one), one).toBe(model.get(one));
      }
    }),
    { numRuns: 500 },
  );
});

test('a map that is empty has no streams, and deleting from it does nothing', () => {
  const map = new StreamMap();
  map.delete('a');
  expect([[...map.values()], map.get('a')]).toEqual([[], undefined]);
});
