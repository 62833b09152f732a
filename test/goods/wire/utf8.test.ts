import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';

afterEach(() => vi.unstubAllGlobals());

/** Loads the module anew on a platform with or without the classes for UTF-8. */
async function load(hasClasses: boolean): Promise<typeof import('../../../src/goods/wire/utf8.ts')> {
  vi.resetModules();
  if (!hasClasses) for (const name of ['TextEncoder', 'TextDecoder']) vi.stubGlobal(name, undefined);
  return import('../../../src/goods/wire/utf8.ts');
}

describe.each([true, false])('on a platform with TextEncoder and TextDecoder: %s', (hasClasses) => {
  test('text is the UTF-8 that Node makes of it, and back', async () => {
    const { encoder, decoder } = await load(hasClasses);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const bytes = Buffer.from(text);
        expect(Buffer.from(encoder.encode(text))).toEqual(bytes);
        expect(decoder.decode(bytes)).toBe(text);
      }),
    );
  });

  test('a byte order mark is kept', async () => {
    const { decoder } = await load(hasClasses);
    expect(decoder.decode(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\ufeffa');
  });

  test.each([
    ['a lone continuation byte', [0x80]],
    ['an overlong form', [0xc0, 0x80]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['a character that is cut off', [0xe2, 0x82]],
    ['more than U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
  ])('%s throws', async (_title, bytes) => {
    const { decoder } = await load(hasClasses);
    expect(() => decoder.decode(Uint8Array.from(bytes))).toThrow();
  });
});
