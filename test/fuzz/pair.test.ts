import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pairProperty } from '../../fuzz/models/pair.ts';
import { Connection } from '../../src/connection/connection.ts';

/** Connection that answers a second ping with the payload of the first. */
class Forgetful extends Connection {
  #first: Buffer | null = null;
  override control(...[header, octets, start, end]: Parameters<Connection['control']>): boolean {
    if (header.opcode === 9) {
      this.#first ??= Buffer.from(octets.subarray(start, end));
      return super.control(header, this.#first, 0, this.#first.length);
    }
    return super.control(header, octets, start, end);
  }
}

describe('a pair of connections, with arbitrary actions of applications and network', () => {
  it('behaves as a small model', () => {
    fc.assert(pairProperty(), { numRuns: 300 });
  });

  it('is reported to differ if it does, in a script of a few lines', () => {
    const result = fc.check(
      pairProperty((...given) => new Forgetful(...given)),
      { numRuns: 2000, seed: 1 },
    );
    expect(result.failed).toBe(true);
    const script = String(result.counterexample?.[1]).split(',');
    expect(script.length).toBeLessThan(8);
    expect(String(script)).toMatch(/\.ping\("/);
  });
});
