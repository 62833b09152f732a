import { describe, expect, test } from 'vitest';
import type { Goods } from '../../../src/goods/definition/goods.ts';
import type { EncodedMessage } from '../../../src/goods/fan-out/encoded-message.ts';
import { GoodsCounters } from '../../../src/goods/shelf/goods-counters.ts';
import { HistoryEntry } from '../../../src/goods/shelf/history.ts';
import { VariantEncoder } from '../../../src/goods/shelf/variant-encoder.ts';
import { Notes } from '../../support/test-market.ts';
import { define } from '../../support/test-shelf.ts';

function open(goods: Goods = define('n'), variant = '') {
  const [counters, notes] = [new GoodsCounters(), new Notes()];
  return { counters, notes, encoder: new VariantEncoder(goods, variant, counters, notes) };
}

const textOf = (message: EncodedMessage | null): string => Buffer.from(message!.payload).toString();
const entry = (offset: number, item: unknown): HistoryEntry => new HistoryEntry(offset, item, JSON.stringify(item), 0);

describe('an item', () => {
  test('is encoded as a frame with its offset, without a variant if there is one only', () => {
    const { encoder } = open();
    expect(textOf(encoder.encode(entry(7, { price: 3 })))).toBe(
      '{"op":"item","goods":"n","offset":7,"item":{"price":3}}',
    );
  });

  test('is encoded with the names of goods and variant as JSON', () => {
    const { encoder } = open(define('a"b'), 'C\\Y');
    expect(JSON.parse(textOf(encoder.encode(entry(1, 1))))).toEqual({
      op: 'item',
      goods: 'a"b',
      variant: 'C\\Y',
      offset: 1,
      item: 1,
    });
  });

  test('of bytes is encoded as a binary message', () => {
    const { encoder } = open(define('n', { kind: 'bytes' }), 'v');
    const message = encoder.encode(new HistoryEntry(1, Uint8Array.of(0xca, 0xfe), undefined, 0))!;
    expect([message.isBinary, Buffer.from(message.payload).toString('hex')]).toEqual([
      true,
      '010000000000000001000100016e76cafe',
    ]);
  });

  test('is tailored and encoded once, and counted once', () => {
    let calls = 0;
    const tailor = (item: number, variant: string, name: string) => `${++calls} ${item} ${variant} ${name}`;
    const { encoder, counters } = open(define('n', { tailor }), 'v');
    const one = entry(1, 5);
    const frame = encoder.encode(one);
    expect(encoder.encode(one)).toBe(frame);
    expect(JSON.parse(textOf(frame))).toMatchObject({ item: '1 5 v n' });
    expect(counters.read()).toMatchObject({ encoded: 1, bytes: frame!.payload.length });
  });

  test('may be compressed unless the goods forbid it', () => {
    expect(open().encoder.encode(entry(1, 1))?.mayCompress).toBe(true);
    expect(open(define('n', { compress: false })).encoder.encode(entry(1, 1))?.mayCompress).toBe(false);
  });
});

test('items with consecutive offsets are one frame, with the offset of the first', () => {
  const { encoder, counters } = open(define('n'), 'v');
  const frame = encoder.encodeAll(3, ['1', '"two"']);
  expect(textOf(frame)).toBe('{"op":"items","goods":"n","variant":"v","offset":3,"items":[1,"two"]}');
  expect(counters.read()).toMatchObject({ encoded: 1, bytes: frame.payload.length });
});

describe('an item that tailor leaves out', () => {
  test('is filtered if tailor returns undefined', () => {
    const { encoder, counters, notes } = open(define('n', { tailor: () => undefined }));
    expect([encoder.encode(entry(1, 1)), encoder.reason]).toEqual([null, 'filtered']);
    expect(counters.read()).toMatchObject({ filtered: 1, failed: 0, encoded: 0 });
    expect(notes.failures).toEqual([]);
  });

  test.each<[string, () => unknown, string]>([
    [
      'tailor throws',
      () => {
        throw new Error('mine');
      },
      'mine',
    ],
    ['tailor returns a promise', () => Promise.reject(new Error('late')), 'tailor returned a promise'],
    ['JSON cannot hold the item', () => 1n, 'BigInt'],
    ['the item is of another kind', () => Symbol('s'), 'JSON cannot hold an item that is a symbol'],
  ])('is failed if %s, and the failure is reported', (_title, tailor, message) => {
    const { encoder, counters, notes } = open(define('n', { tailor }), 'v');
    expect([encoder.encode(entry(1, 1)), encoder.reason]).toEqual([null, 'failed']);
    expect(counters.read()).toMatchObject({ filtered: 0, failed: 1 });
    expect(notes.failures).toMatchObject([
      { place: 'tailor', goods: 'n', variant: 'v', error: { message: expect.stringContaining(message) } },
    ]);
  });

  test('is asked for again next time, because nothing was kept of it', () => {
    let answer: string | undefined;
    const { encoder } = open(define('n', { tailor: () => answer }));
    const one = entry(1, 1);
    expect(encoder.encode(one)).toBeNull();
    answer = 'now';
    expect(JSON.parse(textOf(encoder.encode(one)))).toMatchObject({ item: 'now' });
  });
});

test('a skip frame has the offsets, the reason, and the variant if there is one, and is not counted as an item', () => {
  const plain = open();
  expect(JSON.parse(textOf(plain.encoder.encodeSkip(2, 5, 'dropped')))).toEqual({
    op: 'skip',
    goods: 'n',
    from: 2,
    to: 5,
    reason: 'dropped',
  });
  const other = open(define('n'), 'v').encoder.encodeSkip(1, 1, 'failed');
  expect(JSON.parse(textOf(other))).toMatchObject({ variant: 'v', reason: 'failed' });
  expect(plain.counters.read()).toMatchObject({ encoded: 0 });
});
