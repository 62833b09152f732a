/**
 * Verdict of `--against REF`: faster, even or slower, from the samples of two builds. Pure functions, without clock,
 * process or file.
 */
import { format, grid, median } from './table.js';

/** Maximum share by which a row may differ without another run. */
export const RERUN_ABOVE = 0.03;
/** Maximum share by which a row may differ and still be even. */
export const EVEN_UP_TO = 0.05;

/** Units of the costs if they are not per message. @type {Readonly<Record<string, string>>} */
const UNITS = { connect: 'µs / connection', fanout: 'µs / delivery', idle: 'bytes / connection' };

/**
 * @typedef {import('./table.js').Result} Result
 * @typedef {import('./table.js').Sample} Sample
 *
 * @typedef {object} Line one quantity of one row
 * @property {string} title
 * @property {string} unit
 * @property {readonly number[]} before costs of the old build, in the order of the rounds
 * @property {readonly number[]} now costs of the new build, in the same order
 *
 * @typedef {'faster' | 'even' | 'slower'} Verdict for memory, `slower` means that the new build needs more
 *
 * @typedef {object} Judgement
 * @property {number} before median cost of the old build
 * @property {number} now median cost of the new build
 * @property {number} ratio median of the rounds' ratios, new ÷ old
 * @property {number} min smallest ratio of a round
 * @property {number} max largest ratio of a round
 * @property {number} rounds
 * @property {Verdict} verdict
 */

/**
 * Returns the lines of a row that get a verdict: its cost, and for memory the heap beside the RSS. Wall-clock times get
 * none.
 * @param {Result} result
 * @param {string} before name of the old build among the contestants
 * @param {string} now name of the new build
 * @returns {Line[]}
 */
export function linesOf({ row, samples }, before, now) {
  /** @param {string} title @param {string} unit @param {(sample: Sample) => number} cost */
  const line = (title, unit, cost) => ({ title, unit, before: samples[before].map(cost), now: samples[now].map(cost) });
  const own = line(row.id, UNITS[row.kind] ?? 'µs / message', ({ cost }) => cost);
  if (row.kind !== 'idle') return [own];
  return [own, line(`${row.id}, heap`, UNITS.idle, ({ also }) => also?.heap ?? Number.NaN)];
}

/**
 * Joins the slices of a round to one sample: total CPU divided by all messages. The slices must be of equal length.
 * @param {readonly Sample[]} slices at least one
 * @returns {Sample}
 */
export function joined(slices) {
  if (slices.length === 1) return slices[0];
  /** @param {(slice: Sample) => number} of */
  const sum = (of) => slices.reduce((total, slice) => total + of(slice), 0);
  const messages = sum(({ rate = 0 }) => rate);
  const { also } = slices[0];
  return {
    // Otherwise a slice in which the processes hardly ran would have the same weight as others.
    cost: sum(({ cost, rate = 0 }) => cost * rate) / messages,
    rate: messages / slices.length,
    busy: sum(({ busy = 0 }) => busy) / slices.length,
    load: sum(({ load = 0 }) => load) / slices.length,
    ...(also !== undefined && {
      also: Object.fromEntries(
        Object.keys(also).map((name) => [name, sum((slice) => slice.also?.[name] ?? 0) / slices.length]),
      ),
    }),
  };
}

/**
 * Joins two runs of a row: the rounds of the second follow those of the first.
 * @param {Result} first
 * @param {Result} second
 * @returns {Result}
 */
export function pooled({ row, samples }, second) {
  const names = Object.keys(samples);
  return { row, samples: Object.fromEntries(names.map((name) => [name, [...samples[name], ...second.samples[name]]])) };
}

/**
 * Returns the ratios of the rounds: new ÷ old.
 * @param {Line} line
 * @returns {number[]}
 * @throws {RangeError} if there is no round, if a round lacks one build, or if a cost is not a number above 0
 */
export function pairedRatios({ title, before, now }) {
  if (before.length === 0 || before.length !== now.length) {
    throw new RangeError(
      `${title}: expected the same number of rounds of both builds, got ${before.length} and ${now.length}`,
    );
  }
  for (const cost of [...before, ...now]) {
    if (!(cost > 0 && cost < Infinity)) throw new RangeError(`${title}: expected costs above 0, got ${cost}`);
  }
  return now.map((cost, round) => cost / before[round]);
}

/**
 * True if the line must be run again, because its median ratio is more than 3 % away from 1.
 *
 * Also true for a line that looks better. Otherwise only bad luck would get a second chance, and good luck would count
 * as a gain.
 * @param {Line} line
 */
export function needsRerun(line) {
  const ratio = median(pairedRatios(line));
  return ratio > 1 + RERUN_ABOVE || ratio < 1 - RERUN_ABOVE;
}

/**
 * Returns the verdict on all rounds of all runs of a line.
 * @param {Line} line
 * @returns {Judgement}
 */
export function judge(line) {
  const ratios = pairedRatios(line);
  const ratio = median(ratios);
  return {
    before: median(line.before),
    now: median(line.now),
    ratio,
    min: Math.min(...ratios),
    max: Math.max(...ratios),
    rounds: ratios.length,
    verdict: ratio > 1 + EVEN_UP_TO ? 'slower' : ratio < 1 - EVEN_UP_TO ? 'faster' : 'even',
  };
}

/** Formats a ratio as a change: `+3.2 %`, `-0.4 %`, `0.0 %`. @param {number} ratio */
export function change(ratio) {
  const percent = ((ratio - 1) * 100).toFixed(1);
  if (Number(percent) === 0) return '0.0 %';
  return `${Number(percent) > 0 ? '+' : ''}${percent} %`;
}

/**
 * Formats the verdicts as a Markdown table.
 * @param {readonly Line[]} lines
 * @param {string} old name of the old build
 */
export function verdictTable(lines, old) {
  const head = ['row', 'unit', `old (${old})`, 'new', 'change', 'spread of the rounds', 'rounds', 'verdict'];
  const body = lines.map((line) => {
    const { before, now, ratio, min, max, rounds, verdict } = judge(line);
    const spread = `${change(min)} .. ${change(max)}`;
    return [line.title, line.unit, format(before), format(now), change(ratio), spread, String(rounds), verdict];
  });
  return grid(head, body, ['row', 'unit', 'verdict']);
}

/**
 * Returns a summary in one sentence, and the exit code: 1 if a line is slower, otherwise 0.
 * @param {readonly Line[]} lines
 * @returns {{ text: string, exitCode: 0 | 1 }}
 */
export function summary(lines) {
  /** @param {Verdict} verdict */
  const titles = (verdict) => lines.filter((line) => judge(line).verdict === verdict).map(({ title }) => title);
  const [slower, faster] = [titles('slower'), titles('faster')];
  const parts = [
    ...(slower.length > 0 ? [`slower: ${slower.join(', ')}`] : []),
    ...(faster.length > 0 ? [`faster: ${faster.join(', ')}`] : []),
    `even: ${lines.length - slower.length - faster.length} of ${lines.length}`,
  ];
  return { text: `${parts.join('; ')}.`, exitCode: slower.length > 0 ? 1 : 0 };
}
