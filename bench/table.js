/** Formats samples as a Markdown table, ratios first. */
import { FLOOR, SUBJECT } from './contestants.js';

/**
 * @typedef {import('./measure/contest.js').Sample} Sample
 * @typedef {object} Result
 * @property {import('./rows.js').Row} row
 * @property {Readonly<Record<string, readonly Sample[]>>} samples by contestant, in the order of the rounds
 */

/** @param {readonly number[]} values at least one */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Formats a value with three significant digits and separated thousands: `0.812`, `14.2`, `1 234 567`. @param {number}
 * value
 */
export function format(value) {
  if (value >= 100) return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ' ');
  if (value >= 10) return value.toFixed(1);
  return value >= 1 ? value.toFixed(2) : value.toFixed(3);
}

/**
 * Returns the ratio of two contestants: the median of the rounds' ratios, because a disturbance of a round affects
 * both.
 * @param {readonly number[]} above
 * @param {readonly number[]} below
 */
export function ratio(above, below) {
  return median(above.map((value, round) => value / below[round]));
}

/** @param {number} value @param {boolean} met @param {string} goal */
const judged = (value, met, goal) => (met ? value.toFixed(2) : `${value.toFixed(2)} ✗ ${goal}`);

/**
 * Returns the lines of one result: the row itself and those of its `also`.
 * @param {Result} result
 * @param {readonly string[]} names
 * @returns {string[][]}
 */
function linesOf({ row, samples }, names) {
  const rivals = names.filter((name) => name !== SUBJECT);
  /** @type {{ title: string, goals: import('./rows.js').Goals, cost: (sample: Sample) => number, own: boolean }[]} */
  const lines = [
    { title: row.title, goals: row.goals ?? {}, cost: (sample) => sample.cost, own: true },
    ...(row.also ?? []).map(({ title, field, goals = {} }) => ({
      title,
      goals,
      cost: (/** @type {Sample} */ sample) => sample.also?.[field] ?? Number.NaN,
      own: false,
    })),
  ];
  return lines.map(({ title, goals, cost, own }) => {
    const costs = Object.fromEntries(names.map((name) => [name, samples[name].map(cost)]));
    const ratios = rivals.map((name) => {
      if (costs[SUBJECT] === undefined) return '–';
      const goal = goals[name];
      if (name === FLOOR) {
        const value = ratio(costs[SUBJECT], costs[name]);
        return judged(value, goal === undefined || value <= goal, `≤ ${goal}`);
      }
      const value = ratio(costs[name], costs[SUBJECT]);
      return judged(value, goal === undefined || value >= goal, `≥ ${goal?.toFixed(goal % 1 === 0 ? 0 : 2)}`);
    });
    /** @param {(sample: Sample) => number | undefined} of */
    const shares = (of) => {
      const values = names.map((name) => samples[name].map(of).filter((value) => value !== undefined));
      return own && values.every((some) => some.length > 0)
        ? values.map((some) => Math.round(median(some) * 100)).join(' ')
        : '–';
    };
    const rates = names.map((name) => {
      const some = samples[name].map((sample) => sample.rate).filter((rate) => rate !== undefined);
      return own && some.length > 0 ? format(median(some)) : '–';
    });
    return [
      title,
      ...ratios,
      ...names.map((name) => format(median(costs[name]))),
      ...rates,
      shares((sample) => sample.busy),
      shares((sample) => sample.load),
    ];
  });
}

/**
 * @param {readonly Result[]} results rows of one table
 * @param {readonly string[]} names the contestants, in the order of the columns
 * @returns {string} a Markdown table
 */
export function table(results, names) {
  const rivals = names.filter((name) => name !== SUBJECT);
  const head = [
    'row',
    ...rivals.map((name) => (name === FLOOR ? `${SUBJECT} ÷ ${name}` : `${name} ÷ ${SUBJECT}`)),
    ...names,
    ...names.map((name) => `${name} /s`),
    'busy %',
    'load busy %',
  ];
  return grid(
    head,
    results.flatMap((result) => linesOf(result, names)),
    ['row'],
  );
}

/**
 * Formats cells as a Markdown table with aligned columns.
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} body lines, each with as many cells as `head`
 * @param {readonly string[]} words columns that are aligned to the left; all others are numbers
 * @returns {string}
 */
export function grid(head, body, words) {
  const widths = head.map((cell, column) => Math.max(cell.length, ...body.map((line) => line[column].length)));
  const isLeft = head.map((cell) => words.includes(cell));
  /** @param {readonly string[]} cells */
  const line = (cells) =>
    `| ${cells.map((cell, i) => (isLeft[i] ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  const rule = widths.map((width, i) => (isLeft[i] ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`));
  return [line(head), `|${rule.join('|')}|`, ...body.map(line)].join('\n');
}

/**
 * Returns the rows in which the load process was busier than the measured process. Their rate is limited by the load.
 * @param {readonly Result[]} results
 * @returns {string[]} `row: contestant`
 */
export function boundByLoad(results) {
  return results.flatMap(({ row, samples }) =>
    Object.entries(samples)
      .filter(([, some]) => some.every(({ load, busy }) => load !== undefined && busy !== undefined))
      .filter(([, some]) => median(some.map(({ load = 0, busy = 0 }) => load - busy)) > 0.02)
      .map(([name]) => `${row.id}: ${name}`),
  );
}

/**
 * Returns the rows in which neither the measured process nor its load used most of a core, because other programs used
 * the machine.
 * @param {readonly Result[]} results
 * @returns {string[]} ids of rows
 */
export function starved(results) {
  return results
    .filter(({ samples }) =>
      Object.values(samples).some((some) => median(some.map(({ busy = 1, load = 1 }) => Math.max(busy, load))) < 0.6),
    )
    .map(({ row }) => row.id);
}
