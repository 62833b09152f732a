import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KeptOctets } from '../../src/transport/kept-octets.ts';
import { allocationsOf } from '../support/allocations.ts';

/** Removes everything, and returns it with the number of chunks. */
function takeAll(kept: KeptOctets): { octets: string; chunks: number } {
  const chunks: Buffer[] = [];
  for (let chunk = kept.take(); chunk !== null; chunk = kept.take()) chunks.push(chunk);
  return { octets: Buffer.concat(chunks).toString('latin1'), chunks: chunks.length };
}

describe('kept octets', () => {
  test('are a queue of octets with a rest that is put back in front, whatever the lengths', () => {
    const length = fc.oneof(fc.integer({ min: 0, max: 10 }), fc.constantFrom(4095, 4096, 4097, 9000));
    const step = fc.oneof(
      fc.record({ act: fc.constant('append' as const), length }),
      fc.record({ act: fc.constant('take' as const), putBack: fc.double({ min: 0, max: 1, noNaN: true }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const kept = new KeptOctets();
        let model = '';
        let next = 0;
        for (const one of steps) {
          if (one.act === 'append') {
            const chunk = Buffer.alloc(one.length);
            for (let i = 0; i < chunk.length; i++) chunk[i] = next++ & 0xff;
            kept.append(chunk);
            model += chunk.toString('latin1');
          } else {
            const chunk = kept.take();
            expect(chunk === null).toBe(model === '');
            if (chunk === null) continue;
            expect(chunk.length).toBeGreaterThan(0);
            const used = chunk.length - Math.floor(chunk.length * one.putBack);
            expect(chunk.toString('latin1')).toBe(model.slice(0, chunk.length));
            kept.prepend(chunk.subarray(used));
            model = model.slice(used);
          }
          expect(kept.isEmpty).toBe(model === '');
        }
        expect(takeAll(kept).octets).toBe(model);
      }),
    );
  });

  test('that come one by one are taken 4096 at a time', () => {
    const kept = new KeptOctets();
    for (let i = 0; i < 10_000; i++) kept.append(Buffer.of(i & 0xff));
    expect(takeAll(kept).chunks).toBe(3);
  });

  test('of at least 4096 are not copied', () => {
    const kept = new KeptOctets();
    const chunk = Buffer.alloc(4096);
    kept.append(Buffer.of(1));
    kept.append(chunk);
    kept.append(Buffer.of(2));
    expect([kept.take()?.[0], kept.take() === chunk, kept.take()?.[0], kept.take()]).toEqual([1, true, 2, null]);
  });

  test('need no more memory than a block at a time, also if the first are taken and put back each time', () => {
    const kept = new KeptOctets();
    const sizes = allocationsOf(() => {
      for (let i = 0; i < 100_000; i++) {
        kept.append(Buffer.of(1));
        const chunk = kept.take()!;
        kept.prepend(chunk.subarray(i % 2));
      }
    });
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4096);
  });
});
