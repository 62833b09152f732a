import { describe, expect, test } from 'vitest';
import type { RawDeflateOptions } from '../../src/extension/raw-zlib.ts';
import { sharedDeflater, sharedInflater } from '../../src/extension/shared-zlib.ts';
import { rungs } from './rungs.ts';

const options: RawDeflateOptions = { windowBits: 12, level: 3, memLevel: 5, strategy: 0 };

describe.each(rungs)('by %s', (_name, rung) => {
  test('equal options share one state', () => {
    expect(sharedDeflater(rung, { ...options })).toBe(sharedDeflater(rung, { ...options }));
    expect(sharedInflater(rung, { windowBits: 12 })).toBe(sharedInflater(rung, { windowBits: 12 }));
  });

  test.each([{ windowBits: 13 }, { level: 4 }, { memLevel: 6 }, { strategy: 1 }, { dictionary: Buffer.from('one') }])(
    'another %j is another deflater',
    (other) => {
      expect(sharedDeflater(rung, { ...options, ...other })).not.toBe(sharedDeflater(rung, options));
    },
  );

  test.each([{ windowBits: 13 }, { dictionary: Buffer.from('one') }])('another %j is another inflater', (other) => {
    expect(sharedInflater(rung, { windowBits: 12, ...other })).not.toBe(sharedInflater(rung, { windowBits: 12 }));
  });

  test('dictionaries are compared by identity', () => {
    const [dictionary, equal] = [Buffer.from('dictionary'), Buffer.from('dictionary')];
    const first = sharedInflater(rung, { windowBits: 12, dictionary });
    expect(sharedInflater(rung, { windowBits: 12, dictionary })).toBe(first);
    expect(sharedInflater(rung, { windowBits: 12, dictionary: equal })).not.toBe(first);
  });
});

test('the two rungs share no state', () => {
  const [first, second] = rungs.map(([, rung]) => sharedDeflater(rung, options));
  expect(first).not.toBe(second);
});
