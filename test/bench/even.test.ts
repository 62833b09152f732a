import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  change,
  joined,
  judge,
  linesOf,
  needsRerun,
  pairedRatios,
  pooled,
  summary,
  verdictTable,
} from '../../bench/even.js';
import { evenRows, rows } from '../../bench/rows.js';

/** Returns a line whose old build costs 100 in each round. */
const lineOf = (...now: number[]) => ({ title: 'echo-125', unit: 'µs / message', before: now.map(() => 100), now });

describe('the verdict on a row', () => {
  test.each([
    { now: [100, 100, 100, 100, 100], rerun: false, verdict: 'even' },
    { now: [103, 103, 103, 103, 103], rerun: false, verdict: 'even' },
    { now: [104, 104, 104, 104, 104], rerun: true, verdict: 'even' },
    { now: [105, 105, 105, 105, 105], rerun: true, verdict: 'even' },
    { now: [106, 106, 106, 106, 106], rerun: true, verdict: 'slower' },
    { now: [97, 97, 97, 97, 97], rerun: false, verdict: 'even' },
    { now: [96, 96, 96, 96, 96], rerun: true, verdict: 'even' },
    { now: [95, 95, 95, 95, 95], rerun: true, verdict: 'even' },
    { now: [94, 94, 94, 94, 94], rerun: true, verdict: 'faster' },
    { now: [100, 300, 101, 300, 99], rerun: false, verdict: 'even' },
    { now: [10, 106, 106, 106, 10], rerun: true, verdict: 'slower' },
    { now: [102, 110], rerun: true, verdict: 'slower' },
    { now: [107], rerun: true, verdict: 'slower' },
  ])('is $verdict for rounds of $now against 100, and a rerun: $rerun', ({ now, rerun, verdict }) => {
    expect(needsRerun(lineOf(...now))).toBe(rerun);
    expect(judge(lineOf(...now)).verdict).toBe(verdict);
  });

  test('comes from the ratio of each round and not from the medians of the costs', () => {
    const line = { title: 'echo-125', unit: 'µs / message', before: [100, 200, 300], now: [110, 190, 330] };
    expect(judge(line)).toEqual({
      before: 200,
      now: 190,
      ratio: 1.1,
      min: 0.95,
      max: 1.1,
      rounds: 3,
      verdict: 'slower',
    });
  });

  test('is even after a rerun whose rounds outweigh those of the first run', () => {
    const first = lineOf(107, 108, 109);
    const both = lineOf(...first.now, 100, 101, 102, 99);
    expect([judge(first).verdict, judge(both).verdict]).toEqual(['slower', 'even']);
  });

  test.each([
    { before: [], now: [], error: 'echo-125: expected the same number of rounds of both builds, got 0 and 0' },
    { before: [1, 2], now: [1], error: 'echo-125: expected the same number of rounds of both builds, got 2 and 1' },
    { before: [0], now: [1], error: 'echo-125: expected costs above 0, got 0' },
    { before: [1], now: [-5], error: 'echo-125: expected costs above 0, got -5' },
    { before: [1], now: [Number.NaN], error: 'echo-125: expected costs above 0, got NaN' },
    { before: [1], now: [Infinity], error: 'echo-125: expected costs above 0, got Infinity' },
  ])('is refused for $before against $now', ({ before, now, error }) => {
    const line = { title: 'echo-125', unit: 'µs / message', before, now };
    expect(() => judge(line)).toThrow(new RangeError(error));
    expect(() => needsRerun(line)).toThrow(RangeError);
  });
});

describe('for any samples', () => {
  const cost = fc.double({ min: 0.01, max: 1e6, noNaN: true });
  const rounds = fc.array(fc.tuple(cost, cost), { minLength: 1, maxLength: 20 });
  const line = rounds.map((pairs) => ({
    title: 'row',
    unit: 'µs / message',
    before: pairs.map(([before]) => before),
    now: pairs.map(([, now]) => now),
  }));

  test('a verdict other than even is always preceded by a rerun', () => {
    fc.assert(fc.property(line, (some) => judge(some).verdict === 'even' || needsRerun(some)));
  });

  test('the ratio lies within the spread, whose ends are ratios of rounds', () => {
    fc.assert(
      fc.property(line, (some) => {
        const { ratio, min, max } = judge(some);
        expect(pairedRatios(some)).toEqual(expect.arrayContaining([min, max]));
        expect(ratio).toBeGreaterThanOrEqual(min);
        expect(ratio).toBeLessThanOrEqual(max);
      }),
    );
  });

  test('a build is even with itself', () => {
    fc.assert(
      fc.property(line, (some) => {
        const same = { ...some, before: some.now };
        expect([judge(same).verdict, needsRerun(same)]).toEqual(['even', false]);
      }),
    );
  });

  test('does not depend on the order of the rounds', () => {
    fc.assert(
      fc.property(line, (some) => {
        const turned = { ...some, before: some.before.toReversed(), now: some.now.toReversed() };
        expect(judge(turned)).toEqual(judge(some));
      }),
    );
  });
});

describe('the lines of a row', () => {
  const named = (id: string) => rows.find((row) => row.id === id) ?? expect.fail(`no row ${id}`);

  test.each([
    { id: 'echo-125', lines: ['echo-125: µs / message'] },
    { id: 'connect', lines: ['connect: µs / connection'] },
    { id: 'fanout-16', lines: ['fanout-16: µs / delivery'] },
    { id: 'deflate-single', lines: ['deflate-single: µs / message'] },
    { id: 'idle', lines: ['idle: bytes / connection', 'idle, heap: bytes / connection'] },
  ])('of $id are $lines', ({ id, lines }) => {
    const samples = { old: [{ cost: 1, also: { heap: 2, trip: 3 } }], new: [{ cost: 4, also: { heap: 5, trip: 6 } }] };
    expect(linesOf({ row: named(id), samples }, 'old', 'new').map(({ title, unit }) => `${title}: ${unit}`)).toEqual(
      lines,
    );
  });

  test('read the heap from beside the RSS', () => {
    const samples = { old: [{ cost: 1, also: { heap: 2 } }], new: [{ cost: 3, also: { heap: 4 } }] };
    expect(linesOf({ row: named('idle'), samples }, 'old', 'new')).toMatchObject([
      { before: [1], now: [3] },
      { before: [2], now: [4] },
    ]);
  });

  test('have the rounds of all runs, however the contestants were ordered', () => {
    const first = { row: named('echo-125'), samples: { old: [{ cost: 1 }], new: [{ cost: 2 }] } };
    const second = { row: named('echo-125'), samples: { new: [{ cost: 4 }], old: [{ cost: 3 }] } };
    expect(linesOf(pooled(first, second), 'old', 'new')).toMatchObject([{ before: [1, 3], now: [2, 4] }]);
  });

  test.each([
    {
      title: 'is the sample itself if there is one slice',
      slices: [{ cost: 5, also: { heap: 3 } }],
      sample: { cost: 5, also: { heap: 3 } },
    },
    {
      title: 'costs all CPU by all messages, and not the mean of the slices',
      slices: [
        { cost: 10, rate: 300, busy: 0.5, load: 0.25, also: { trip: 40 } },
        { cost: 2, rate: 100, busy: 0.25, load: 0.75, also: { trip: 60 } },
      ],
      sample: { cost: 8, rate: 200, busy: 0.375, load: 0.5, also: { trip: 50 } },
    },
  ])('a round $title', ({ slices, sample }) => {
    expect(joined(slices)).toEqual(sample);
  });

  test('are measured by default for existing rows, each once', () => {
    expect(evenRows.filter((id) => !rows.some((row) => row.id === id))).toEqual([]);
    expect(new Set(evenRows).size).toBe(evenRows.length);
  });
});

describe('the output', () => {
  test.each([
    { ratio: 1, text: '0.0 %' },
    { ratio: 0.9996, text: '0.0 %' },
    { ratio: 1.0449, text: '+4.5 %' },
    { ratio: 0.5, text: '-50.0 %' },
  ])('is $text for a ratio of $ratio', ({ ratio, text }) => {
    expect(change(ratio)).toBe(text);
  });

  test('is a line for each quantity, with words to the left and numbers to the right', () => {
    const lines = [
      { title: 'echo-125', unit: 'µs / message', before: [1.25, 1.25, 1.25], now: [1.25, 1.375, 1] },
      { title: 'idle', unit: 'bytes / connection', before: [4000, 4000], now: [4400, 4400] },
    ];
    expect(verdictTable(lines, 'HEAD~3').split('\n')).toEqual([
      '| row      | unit               | old (HEAD~3) |   new |  change | spread of the rounds | rounds | verdict |',
      '|----------|--------------------|-------------:|------:|--------:|---------------------:|-------:|---------|',
      '| echo-125 | µs / message       |         1.25 |  1.25 |   0.0 % |   -20.0 % .. +10.0 % |      3 | even    |',
      '| idle     | bytes / connection |        4 000 | 4 400 | +10.0 % |   +10.0 % .. +10.0 % |      2 | slower  |',
    ]);
  });

  test.each([
    { lines: [lineOf(100)], text: 'even: 1 of 1.', exitCode: 0 },
    { lines: [lineOf(100), lineOf(90)], text: 'faster: echo-125; even: 1 of 2.', exitCode: 0 },
    { lines: [lineOf(110), lineOf(90)], text: 'slower: echo-125; faster: echo-125; even: 0 of 2.', exitCode: 1 },
  ])('ends with “$text” and exit code $exitCode', ({ lines, text, exitCode }) => {
    expect(summary(lines)).toEqual({ text, exitCode });
  });
});
