import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InFlight } from '../../src/transport/in-flight.ts';

/** Returns a record of three flushes: 12, 100 and 6 octets, of which 10, 300 and 0 are payload. */
function three(): InFlight {
  const record = new InFlight();
  record.add(12, 10);
  record.add(100, 300);
  record.add(6, 0);
  return record;
}

describe('the payload that a stream holds', () => {
  it.each([
    ['all', 118, 310],
    ['a part of the first flush', 107, 310],
    ['all but the first flush', 106, 300],
    ['one octet of the second flush', 7, 300],
    ['the last flush, a close frame', 6, 0],
    ['nothing', 0, 0],
    ['more than was recorded, which others have written', 1000, 310],
  ])('is that of the flushes that it has not passed on, if it holds %s', (_title, held, payload) => {
    expect(three().payload(held)).toBe(payload);
  });

  it('includes for ever what no stream has taken', () => {
    const record = three();
    record.lose(7);
    expect(record.payload(0)).toBe(7);
    expect(record.isEmpty(0)).toBe(false);
  });

  it('is empty once the stream holds nothing, and not while it holds a close frame', () => {
    expect(three().isEmpty(6)).toBe(false);
    expect(three().isEmpty(0)).toBe(true);
    expect(new InFlight().isEmpty(5)).toBe(true);
  });

  it('does not fall any more once the stream is about to be destroyed', () => {
    const record = three();
    record.freeze(106);
    expect(record.payload(0)).toBe(300);
    expect(record.isEmpty(0)).toBe(false);
  });

  it('is that of a model, however the stream takes its flushes', () => {
    const flush = fc.record({ octets: fc.integer({ min: 1, max: 50 }), payload: fc.integer({ min: 0, max: 90 }) });
    const step = fc.oneof(flush, fc.constant('the stream passes one flush on' as const));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const record = new InFlight();
        const held: { octets: number; payload: number }[] = [];
        const sum = (key: 'octets' | 'payload') => held.reduce((total, one) => total + one[key], 0);
        for (const one of steps) {
          if (typeof one === 'string') {
            held.shift();
          } else {
            held.push(one);
            record.add(one.octets, one.payload);
          }
          expect(record.payload(sum('octets'))).toBe(sum('payload'));
          expect(record.isEmpty(sum('octets'))).toBe(held.length === 0);
        }
      }),
    );
  });
});
