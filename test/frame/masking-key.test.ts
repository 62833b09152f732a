import { afterEach, describe, expect, it, vi } from 'vitest';
import { nextMaskingKey } from '../../src/frame/masking-key.ts';

afterEach(() => {
  vi.restoreAllMocks();
  vi.doUnmock('node:crypto');
  vi.resetModules();
});

describe('nextMaskingKey', () => {
  it('gives 32-bit integers whose four octets take all values, each about as often', () => {
    const draws = 100_000;
    const counts = Array.from({ length: 4 }, () => new Uint32Array(256));
    let integers = 0;
    for (let i = 0; i < draws; i++) {
      const key = nextMaskingKey();
      if ((key | 0) === key) integers++;
      counts.forEach((count, octet) => {
        const value = (key >>> (8 * octet)) & 255;
        count[value] = count[value]! + 1;
      });
    }
    expect(integers).toBe(draws);
    // Each value is expected 391 times with a deviation of 20. Seven deviations do not occur by chance.
    for (const count of counts) {
      expect(Math.min(...count)).toBeGreaterThan(250);
      expect(Math.max(...count)).toBeLessThan(531);
    }
  });

  it('does not repeat keys in 100 000 draws more often than chance does, over many refills of the pool', () => {
    const draws = 100_000;
    const seen = new Set<number>();
    for (let i = 0; i < draws; i++) seen.add(nextMaskingKey());
    // Birthday problem of 2^32 keys: 1.2 repeats are expected; more than 15 occur once in 10^12 runs.
    expect(draws - seen.size).toBeLessThan(16);
  });

  it('does not come from Math.random', () => {
    const random = vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const keys = new Set(Array.from({ length: 5000 }, nextMaskingKey));
    expect(keys.size).toBeGreaterThan(4990);
    expect(random).not.toHaveBeenCalled();
  });

  it('requires node:crypto: there is no other source of keys', async () => {
    vi.resetModules();
    vi.doMock('node:crypto', async (importActual) => {
      const actual = await importActual<Record<string, unknown>>();
      const out = () => {
        throw new Error('out of randomness');
      };
      return Object.fromEntries(
        Object.entries(actual).map(([name, value]) => [name, typeof value === 'function' ? out : value]),
      );
    });
    const fresh = await import('../../src/frame/masking-key.ts');
    expect(() => fresh.nextMaskingKey()).toThrow('out of randomness');
  });
});
