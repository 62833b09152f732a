/**
 * Compares variants of a small function in one process: nanoseconds per call.
 *
 * The variants take turns inside every round, so that noise affects all of them. The fastest round of each counts,
 * because noise only adds time.
 */

/**
 * @typedef {(i: number) => unknown} Variant one operation; `i` counts up, to vary offsets and inputs
 * @typedef {object} CompareOptions
 * @property {number} [iterations] calls per round and variant; default: as many as fill `milliseconds`
 * @property {number} [milliseconds] length of a round of one variant without `iterations` (default 8)
 * @property {number} [rounds] measured rounds, after one that only warms up (default 9)
 */

let loops = 0;
/** Results are stored here. Otherwise the compiler could drop calls with unused results. @type {unknown[]} */
const kept = [];

/**
 * Returns a separate calling loop for a variant. Otherwise the call in a shared loop would become megamorphic and
 * dominate the measurement.
 * @param {Variant} variant
 * @returns {(iterations: number) => void}
 */
function loopFor(variant) {
  const source = `return (n) => { for (let i = 0; i < n; i++) kept[i & 15] = variant(i); } // ${loops++}`;
  return new Function('variant', 'kept', source)(variant, kept);
}

/**
 * @param {(iterations: number) => void} loop
 * @param {number} iterations
 * @returns {number} nanoseconds per call
 */
function time(loop, iterations) {
  const start = process.hrtime.bigint();
  loop(iterations);
  return Number(process.hrtime.bigint() - start) / iterations;
}

/**
 * Returns the number of calls of `loop` that fill `milliseconds`, found by doubling.
 * @param {(iterations: number) => void} loop
 * @param {number} milliseconds
 */
function calibrate(loop, milliseconds) {
  for (let iterations = 16; ; iterations *= 2) {
    const ns = time(loop, iterations) * iterations;
    if (ns >= (milliseconds * 1e6) / 4) return Math.max(1, Math.round((iterations * milliseconds * 1e6) / ns));
  }
}

/**
 * Measures variants against each other.
 * @template {string} Name
 * @param {Record<Name, Variant>} variants
 * @param {CompareOptions} [options]
 * @returns {Record<Name, number>} the fastest round of each, in nanoseconds per call
 */
export function compare(variants, { iterations, milliseconds = 8, rounds = 9 } = {}) {
  const entries = /** @type {[Name, Variant][]} */ (Object.entries(variants)).map(([name, variant]) => {
    const loop = loopFor(variant);
    // Calibrated twice, because the first result is that of the interpreter.
    calibrate(loop, milliseconds);
    return { name, loop, calls: iterations ?? calibrate(loop, milliseconds), best: Infinity };
  });
  for (let round = 0; round <= rounds; round++) {
    for (const entry of entries) {
      const ns = time(entry.loop, entry.calls);
      if (round > 0 && ns < entry.best) entry.best = ns;
    }
  }
  return /** @type {Record<Name, number>} */ (Object.fromEntries(entries.map(({ name, best }) => [name, best])));
}

/**
 * Formats a duration: `87 ns`, `1.62 µs`, `407 µs`.
 * @param {number} ns
 */
export function formatNanoseconds(ns) {
  if (ns < 10) return ns.toFixed(1);
  if (ns < 1e4) return ns.toFixed(0);
  if (ns < 1e5) return `${(ns / 1e3).toFixed(1)}k`;
  return `${(ns / 1e3).toFixed(0)}k`;
}

/**
 * Measures `variantsAt(column)` for every column and prints a Markdown table with one row per variant, in ns.
 * @template Column
 * @param {string} title
 * @param {readonly Column[]} columns
 * @param {(column: Column) => Record<string, Variant>} variantsAt
 * @param {CompareOptions & { label?: (column: Column) => string }} [options]
 * @returns {Map<string, number[]>} the results by variant; NaN for columns without the variant
 */
export function compareTable(title, columns, variantsAt, { label = String, ...options } = {}) {
  /** @type {Map<string, number[]>} */
  const figures = new Map();
  columns.forEach((column, index) => {
    for (const [name, ns] of Object.entries(compare(variantsAt(column), options))) {
      const row = figures.get(name) ?? new Array(columns.length).fill(Number.NaN);
      row[index] = ns;
      figures.set(name, row);
    }
  });
  const head = [`${title} (ns)`, ...columns.map(label)];
  const body = [...figures].map(([name, row]) => [
    name,
    ...row.map((ns) => (Number.isNaN(ns) ? '–' : formatNanoseconds(ns))),
  ]);
  const widths = head.map((cell, column) => Math.max(cell.length, ...body.map((row) => row[column].length)));
  const line = (/** @type {string[]} */ cells) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  console.log(line(head));
  console.log(
    `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`,
  );
  for (const row of body) console.log(line(row));
  console.log();
  return figures;
}
