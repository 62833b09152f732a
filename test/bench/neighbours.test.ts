import { describe, expect, test } from 'vitest';
import { floods } from '../../bench/neighbours/floods.js';
import { goal, percentile } from '../../bench/neighbours/verdict.js';
import { decodeFrames } from '../support/frames.ts';

describe('a percentile', () => {
  test.each([
    [0.5, 50],
    [0.99, 99],
    [1, 100],
  ])('%d of 1 to 100, in any order, is %d', (share, expected) => {
    const times = Array.from({ length: 100 }, (_, i) => ((i * 37) % 100) + 1);
    expect(percentile(times, share)).toBe(expected);
  });

  test('of one time is that time', () => {
    expect([0.5, 0.99, 1].map((share) => percentile([7], share))).toEqual([7, 7, 7]);
  });
});

test.each([
  [1, 1, 20],
  [20, 15, 30],
  [20, 10, 20],
  [500, 10, 100],
  [500, 60, 120],
])('beside %i peers, with a p99 of %d ms for ws, at most %d ms are allowed', (peers, ws, expected) => {
  expect(goal(peers, ws)).toBe(expected);
});

test.each(floods.map((flood) => [flood.title, flood] as const))('%s are valid frames of a client', (_, flood) => {
  const octets = Buffer.concat([flood.first, ...Array<Buffer>(100).fill(flood.frame)]);
  const { frames, error } = decodeFrames(octets, 'whole', { role: 'server' });
  expect(error).toBeNull();
  expect(frames.length).toBe(flood.first.length > 0 ? 101 : 100);
});
