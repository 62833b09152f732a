import { expect, test } from 'vitest';
import { joinChunks } from '../../src/frame/join-chunks.ts';
import { fromHex } from '../support/hex.ts';
import { boaster, cutOctets, sampleOctets } from '../support/octets.ts';

test.each([
  ['no chunks', []],
  ['an empty chunk', ['']],
  ['one chunk', ['01 02 03']],
  ['chunks of all kinds', ['', '01', '02 03', '', '04 05 06']],
])('joins %s, in order', (_title, chunks) => {
  expect(joinChunks(chunks.map(fromHex))).toEqual(fromHex(chunks.join('')));
});

test('joins what was cut', () => {
  const octets = sampleOctets(10_000);
  expect(joinChunks(cutOctets(octets, [1, 0, 4096, 3, 4095]))).toEqual(octets);
});

test('returns separate memory, not from the pool, even for one chunk', () => {
  const chunk = fromHex('01 02');
  const joined = joinChunks([chunk]);
  chunk.fill(9);
  expect(joined).toEqual(fromHex('01 02'));
  expect(joined.buffer.byteLength).toBe(2);
});

test('contains zeroes, and no previous contents of memory, where a chunk has fewer octets than its length', () => {
  const joined = joinChunks([fromHex('01'), boaster(3), fromHex('02')]);
  expect(joined.length).toBe(1002);
  expect(joined).toEqual(Buffer.concat([fromHex('01'), Buffer.alloc(1000), fromHex('02')]));
});
