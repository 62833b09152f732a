import { expect, test } from 'vitest';
import { fragment } from '../../../autobahn/session/session.ts';
import { chop } from '../../../autobahn/wire/chops.ts';
import { Gather } from '../../../autobahn/wire/gather.ts';

const frames = [Buffer.from('abc'), Buffer.from('defgh')];
const cut = (how: Parameters<typeof chop>[1]): string[] => [...chop(frames, how)].map(String);

test('frames are sent in one piece, one by one, or in chops across frame boundaries', () => {
  expect(cut('whole')).toEqual(['abcdefgh']);
  expect(cut('frames')).toEqual(['abc', 'defgh']);
  expect(cut(1)).toEqual([...'abcdefgh']);
  expect(cut(3)).toEqual(['abc', 'def', 'gh']);
  expect(cut(997)).toEqual(['abcdefgh']);
});

test('a message is divided into frames of one size, except the last', () => {
  const shape = (length: number, size: number) =>
    fragment(Buffer.alloc(length), true, size, 4).map(({ opcode, payload, fin = true, rsv }) => [
      opcode,
      payload.length,
      fin,
      rsv,
    ]);
  expect(shape(5, 2)).toEqual([
    [2, 2, false, 4],
    [0, 2, false, 0],
    [0, 1, true, 0],
  ]);
  expect(shape(4, 2)).toEqual([
    [2, 2, false, 4],
    [0, 2, true, 0],
  ]);
  expect(shape(4, 4)).toEqual([[2, 4, true, 4]]);
  expect(shape(4, 0)).toEqual([[2, 4, true, 4]]);
  expect(shape(0, 2)).toEqual([[2, 0, true, 4]]);
});

test('pieces are collected in order, and taken pieces are not reused', () => {
  const gather = new Gather();
  for (let index = 0; index < 5000; index++) gather.add(Buffer.of(index & 255));
  expect(gather.length).toBe(5000);
  const taken = gather.take();
  expect(taken.every((octet, index) => octet === (index & 255))).toBe(true);
  gather.add(Buffer.from('next'));
  expect([taken[0], gather.take().toString()]).toEqual([0, 'next']);
});
