import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import wabt from 'wabt';
import { maskModule, xorInWasm } from '../../src/frame/mask-wasm.ts';
import { xorInWords } from '../../src/frame/mask-words.ts';
import { exampleKey, naiveMask, sampleOctets } from '../support/octets.ts';

const lengths = [
  ...Array.from({ length: 201 }, (_, length) => length),
  ...[511, 512, 513, 1000, 65_535, 65_536, 65_537, 65_540, 131_072, 131_073, 200_000],
];
const notAscii = 0x80808080;

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

type Xor = typeof xorInWasm;

/** Returns the lengths, and the kind of call, for which a function is wrong. */
function faults(xor: Xor): object[] {
  const wrong: object[] = [];
  for (const length of lengths) {
    const offset = length & 7;
    const payload = sampleOctets(length, length + 1);
    const expected = naiveMask(payload, exampleKey);
    const source = Buffer.concat([Buffer.alloc(offset, 0xaa), payload, Buffer.alloc(5, 0xaa)]);
    const target = Buffer.alloc(length + 20, 0xbb);
    const into = xor(source, offset, offset + length, target, 9, exampleKey);
    const around = Buffer.concat([Buffer.alloc(9, 0xbb), expected, Buffer.alloc(11, 0xbb)]);
    if (!target.equals(around)) wrong.push({ length, way: 'from one place to another' });
    if (!source.subarray(offset, offset + length).equals(payload)) wrong.push({ length, way: 'alters the source' });
    const inPlace = xor(source, offset, offset + length, source, offset, exampleKey);
    const wanted = Buffer.concat([Buffer.alloc(offset, 0xaa), expected, Buffer.alloc(5, 0xaa)]);
    if (!source.equals(wanted)) wrong.push({ length, way: 'in place' });
    const isAscii = expected.every((octet) => octet < 0x80);
    // False alarms about ASCII are allowed, missed octets are not.
    if (!isAscii && (into & notAscii) === 0) wrong.push({ length, way: 'misses what is not ASCII' });
    if (!isAscii && (inPlace & notAscii) === 0) wrong.push({ length, way: 'misses what is not ASCII, in place' });
  }
  return wrong;
}

describe('xorInWasm', () => {
  it('equals the loop over octets, from one place to another and in place, and touches nothing else', () => {
    expect(faults(xorInWasm)).toEqual([]);
  });

  it('throws for a source that is shorter than its length, and does not expose data masked before', () => {
    const secret = Buffer.alloc(4096, 'S');
    xorInWasm(secret, 0, secret.length, Buffer.alloc(4096), 0, exampleKey);
    const target = Buffer.alloc(4096);
    expect(() => xorInWasm(new Uint8Array(10), 0, 4096, target, 0, 0)).toThrow(RangeError);
    expect(target.equals(Buffer.alloc(4096))).toBe(true);
  });

  it('detects any octet that is not ASCII, at every position', () => {
    const missed: object[] = [];
    for (const length of [1, 15, 16, 17, 63, 64, 65, 80, 81, 150, 65_537, 65_600]) {
      const places = length < 200 ? [...Array(length).keys()] : [0, 100, 65_535, 65_536, length - 1];
      for (const at of places) {
        const plain = Buffer.alloc(length, 'a');
        plain[at] = 0xc3;
        if ((xorInWasm(naiveMask(plain, exampleKey), 0, length, plain, 0, exampleKey) & notAscii) === 0) {
          missed.push({ length, at });
        }
      }
    }
    expect(missed).toEqual([]);
  });

  it('is not used if the platform has no SIMD', async () => {
    const Module = vi.fn(
      class {
        constructor() {
          throw new Error('invalid opcode');
        }
      },
    );
    vi.resetModules();
    vi.stubGlobal('WebAssembly', { Module, Instance: Module });
    const fresh = await import('../../src/frame/mask-wasm.ts');
    expect(faults(fresh.xorInWasm)).toEqual([]);
    expect(Module).toHaveBeenCalledOnce();
  });
});

describe('xorInWords', () => {
  it('equals the loop over octets, from one place to another and in place, and touches nothing else', () => {
    expect(faults(xorInWords)).toEqual([]);
  });

  it('can move octets within their memory while it masks them', () => {
    const payload = sampleOctets(100);
    for (const to of [0, 3, 4, 10, 50]) {
      const memory = Buffer.concat([Buffer.alloc(4), payload, Buffer.alloc(50)]);
      xorInWords(memory, 4, 104, memory, to, exampleKey);
      expect(memory.subarray(to, to + 100).equals(naiveMask(payload, exampleKey))).toBe(true);
    }
  });
});

describe('mask.wat', () => {
  it('compiles to exactly the module in mask-wasm.ts', async () => {
    const text = readFileSync(new URL('../../src/frame/mask.wat', import.meta.url), 'utf8');
    const { parseWat } = await wabt();
    const module = parseWat('mask.wat', text, { simd: true });
    module.validate();
    const compiled = Buffer.from(module.toBinary({}).buffer).toString('base64');
    module.destroy();
    expect(maskModule).toBe(compiled);
  });
});
