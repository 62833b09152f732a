import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RequestOrder } from '../../../src/goods/market/request-order.ts';

test('a request is done at once if none about the same goods is pending', () => {
  const order = new RequestOrder();
  const done: string[] = [];
  order.run('a', () => void done.push('a'));
  order.run('a', () => void done.push('a again'));
  expect([done, order.pending]).toEqual([['a', 'a again'], 0]);
});

test('a request waits for those about the same goods only', async () => {
  const order = new RequestOrder();
  const done: string[] = [];
  let finish = (): void => {};
  order.run('a', () => {
    done.push('a begins');
    return new Promise((resolve) => {
      finish = resolve;
    });
  });
  order.run('a', () => void done.push('a again'));
  order.run('b', () => void done.push('b'));
  expect([done, order.pending]).toEqual([['a begins', 'b'], 2]);
  finish();
  await new Promise((resolve) => setImmediate(resolve));
  expect([done, order.pending]).toEqual([['a begins', 'b', 'a again'], 0]);
});

test('requests about the same goods are done in order, one at a time, whatever takes how long', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(fc.record({ goods: fc.constantFrom('a', 'b', ''), takesTime: fc.boolean(), isLater: fc.boolean() }), {
        maxLength: 20,
      }),
      async (scheduler, requests) => {
        const order = new RequestOrder();
        const begun: Record<string, number[]> = {};
        const running = new Set<string>();
        let ended = 0;
        for (const [i, { goods, takesTime, isLater }] of requests.entries()) {
          // Another request has been done meanwhile, or nothing.
          if (isLater && scheduler.count() > 0) {
            await scheduler.waitOne();
            await new Promise((resolve) => setImmediate(resolve));
          }
          order.run(goods, () => {
            expect(running.has(goods)).toBe(false);
            begun[goods] ??= [];
            begun[goods].push(i);
            if (!takesTime) {
              ended++;
              return undefined;
            }
            running.add(goods);
            return scheduler.schedule(Promise.resolve()).then(() => {
              running.delete(goods);
              ended++;
            });
          });
          expect(order.pending).toBeLessThanOrEqual(i + 1);
        }
        while (ended < requests.length) {
          await scheduler.waitIdle();
          await new Promise((resolve) => setImmediate(resolve));
        }
        await new Promise((resolve) => setImmediate(resolve));
        expect(order.pending).toBe(0);
        for (const [goods, list] of Object.entries(begun)) {
          expect(list).toEqual(requests.flatMap((request, i) => (request.goods === goods ? [i] : [])));
        }
      },
    ),
    { numRuns: 100 },
  );
});
