import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeBytesItem,
  decodeBytesSupply,
  encodeBytesItem,
  encodeBytesSupply,
} from '../../../src/goods/wire/binary-codec.ts';
import { WireError } from '../../../src/goods/wire/goods-error.ts';

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const payload = bytesOf('ca fe');

/** Returns what a call gives: its result, or the close code of its WireError. Any other error is thrown on. */
function resultOf<Result>(decode: () => Result): Result | number {
  try {
    return decode();
  } catch (error) {
    if (error instanceof WireError) return error.closeCode;
    throw error;
  }
}

describe('an item', () => {
  test.each([
    ['of goods with one variant', '01 00 00 00 00 00 00 00 01  00 01 00 00  61  ca fe', 'a', '', 1],
    ['of a variant', '01 00 00 00 00 00 00 01 00  00 03 00 03  61 2f 62  43 4e 59  ca fe', 'a/b', 'CNY', 256],
    ['with a name beyond ASCII', '01 00 00 00 00 00 00 00 02  00 02 00 00  c3 a4  ca fe', 'ä', '', 2],
    ['with a byte order mark in its name', '01 00 00 00 00 00 00 00 02  00 03 00 00  ef bb bf  ca fe', '\ufeff', '', 2],
    [
      'with the greatest offset',
      '01 00 1f ff ff ff ff ff ff  00 01 00 00  61  ca fe',
      'a',
      '',
      Number.MAX_SAFE_INTEGER,
    ],
  ])('%s is encoded and decoded as in the vector', (_title, hex, goods, variant, offset) => {
    expect(hexOf(encodeBytesItem(goods, variant, offset, payload))).toBe(hex.replaceAll(' ', ''));
    const frame = decodeBytesItem(bytesOf(hex));
    expect(frame).toEqual({ op: 'bytes', goods, ...(variant === '' ? {} : { variant }), offset, item: payload });
  });

  test('that is cut at any byte is refused inside of its header, and has a shorter payload behind it', () => {
    const whole = encodeBytesItem('a/b', 'CNY', 7, payload);
    const head = whole.length - payload.length;
    for (let length = 0; length < head; length++) {
      expect(
        resultOf(() => decodeBytesItem(whole.subarray(0, length))),
        String(length),
      ).toBe(1003);
    }
    for (let length = head; length <= whole.length; length++) {
      expect(decodeBytesItem(whole.subarray(0, length)).item.length).toBe(length - head);
    }
  });

  test('may lie anywhere in a buffer, and the payload is a view of it', () => {
    const message = encodeBytesItem('a', '', 1, payload);
    const buffer = new Uint8Array(message.length + 10);
    buffer.set(message, 5);
    const { item } = decodeBytesItem(buffer.subarray(5, 5 + message.length));
    expect([item.buffer === buffer.buffer, hexOf(item)]).toEqual([true, 'cafe']);
  });
});

describe('a supply', () => {
  test('is encoded and decoded as in the vector', () => {
    const hex = '02 00 00 00 00 00 00 00 05  00 03  61 2f 62  ca fe';
    expect(hexOf(encodeBytesSupply(5, 'a/b', payload))).toBe(hex.replaceAll(' ', ''));
    expect(decodeBytesSupply(bytesOf(hex))).toEqual({ op: 'supply-bytes', id: 5, goods: 'a/b', item: payload });
  });

  test('that is cut at any byte is refused inside of its header, and has a shorter payload behind it', () => {
    const whole = encodeBytesSupply(5, 'a/b', payload);
    const head = whole.length - payload.length;
    for (let length = 0; length < head; length++) {
      expect(
        resultOf(() => decodeBytesSupply(whole.subarray(0, length))),
        String(length),
      ).toBe(1003);
    }
    for (let length = head; length <= whole.length; length++) {
      expect(decodeBytesSupply(whole.subarray(0, length)).item.length).toBe(length - head);
    }
  });
});

describe('an invalid message is refused', () => {
  test.each([
    ['an item where a supply is expected', '01 00 00 00 00 00 00 00 01 00 01 61', 1003],
    ['a number above 2^53-1', '02 00 20 00 00 00 00 00 00 00 01 61', 1003],
    ['a name that is not UTF-8', '02 00 00 00 00 00 00 00 01 00 01 ff', 1003],
    ['a name that is longer than the message', '02 00 00 00 00 00 00 00 01 ff ff 61', 1003],
    ['the id 0', '02 00 00 00 00 00 00 00 00 00 01 61', 1007],
  ])('%s', (_title, hex, closeCode) => {
    expect(resultOf(() => decodeBytesSupply(bytesOf(hex)))).toBe(closeCode);
  });

  test('a supply where an item is expected', () => {
    expect(resultOf(() => decodeBytesItem(encodeBytesSupply(1, 'a', payload)))).toBe(1003);
  });
});

test('a text has at most 65 535 bytes of UTF-8', () => {
  const longest = 'x'.repeat(0xffff);
  expect(decodeBytesSupply(encodeBytesSupply(1, longest, payload))).toMatchObject({ goods: longest });
  expect(() => encodeBytesSupply(1, `${longest}x`, payload)).toThrow(RangeError);
  expect(() => encodeBytesItem('a', 'ä'.repeat(0x8000), 1, payload)).toThrow('at most 65535 bytes; got 65536');
});

test('the payload is copied: it may be changed afterwards', () => {
  const own = bytesOf('ca fe');
  const messages = [encodeBytesItem('a', '', 1, own), encodeBytesSupply(1, 'a', own)];
  own.fill(0);
  for (const message of messages) expect(hexOf(message).endsWith('cafe')).toBe(true);
});

describe('for any input', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 20 });
  const counter = fc.maxSafeNat();
  const type = fc.constantFrom(0, 1, 1, 2, 2);

  test('it decodes what it encodes', () => {
    fc.assert(
      fc.property(text, text, counter, fc.uint8Array(), (goods, variant, offset, item) => {
        const named = variant === '' ? {} : { variant };
        expect(decodeBytesItem(encodeBytesItem(goods, variant, offset, item))).toEqual({
          op: 'bytes',
          goods,
          ...named,
          offset,
          item,
        });
        const id = offset + (offset === 0 ? 1 : 0);
        expect(decodeBytesSupply(encodeBytesSupply(id, goods, item))).toEqual({ op: 'supply-bytes', id, goods, item });
      }),
    );
  });

  test('any bytes give a frame that is encoded as the same bytes, or a WireError', () => {
    // Mostly messages whose type, counter and lengths are plausible.
    const rest = fc.array(fc.oneof({ weight: 20, arbitrary: fc.nat(127) }, fc.nat(255)), { maxLength: 16 });
    const item = fc
      .tuple(type, fc.nat(255), fc.nat(6), fc.nat(6), rest)
      .map(([first, last, name, variant, rest]) =>
        Uint8Array.of(first, 0, 0, 0, 0, 0, 0, 0, last, 0, name, 0, variant, ...rest),
      );
    const supply = fc
      .tuple(type, fc.nat(255), fc.nat(6), rest)
      .map(([first, last, name, rest]) => Uint8Array.of(first, 0, 0, 0, 0, 0, 0, 0, last, 0, name, ...rest));
    const message = fc.oneof(fc.uint8Array(), item, supply);
    const frames = { items: 0, supplies: 0 };
    fc.assert(
      fc.property(message, (bytes) => {
        const item = resultOf(() => decodeBytesItem(bytes));
        if (typeof item !== 'number') {
          frames.items++;
          expect(hexOf(encodeBytesItem(item.goods, item.variant ?? '', item.offset, item.item))).toBe(hexOf(bytes));
        }
        const supply = resultOf(() => decodeBytesSupply(bytes));
        if (typeof supply !== 'number') {
          frames.supplies++;
          expect(hexOf(encodeBytesSupply(supply.id, supply.goods, supply.item))).toBe(hexOf(bytes));
        }
      }),
      { numRuns: 2000 },
    );
    // Otherwise the messages were so bad that nothing was decoded.
    expect(Math.min(frames.items, frames.supplies)).toBeGreaterThan(50);
  });
});
