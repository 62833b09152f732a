/**
 * permessage-deflate (RFC 7692 §7.2) by message size: CPU µs per message, in all threads of the process.
 *
 *     node bench/micro/deflate.js [--quick]
 *
 * Compares our synchronous functions on each rung with zlib's streams, whose messages all go through the thread pool.
 * The messages of a column differ, because equal ones would become references with context takeover. Results are
 * checked before measuring. Requires dist/.
 */
import { cpus, loadavg } from 'node:os';
import { constants, createDeflateRaw, createInflateRaw } from 'node:zlib';
import { jsonText } from '../wire.js';

const extension = new URL('../../dist/cjs/extension/', import.meta.url);
/** @type {typeof import('../../src/extension/deflate-messages.ts')} */
const { MessageDeflater, MessageInflater } = await import(new URL('deflate-messages.js', extension).href);
/** @type {typeof import('../../src/extension/raw-zlib.ts')} */
const { documentedRung, handleRung } = await import(new URL('raw-zlib.js', extension).href);

const quick = process.argv.includes('--quick');
const rounds = quick ? 2 : 5;
const sizes = [100, 1024, 16_384, 262_144];
const tail = Buffer.of(0x00, 0x00, 0xff, 0xff);

/** @typedef {(octets: Buffer) => Buffer | Promise<Buffer>} Transform */

/**
 * Returns a function that uses a zlib stream, flushed after each message.
 * @param {import('node:zlib').DeflateRaw | import('node:zlib').InflateRaw} stream
 * @param {boolean} takesContextOver
 * @param {Buffer} [end] written behind each message
 * @param {number} [cut] number of bytes removed from the end
 * @returns {Transform}
 */
function streamed(stream, takesContextOver, end, cut = 0) {
  /** @type {Buffer[]} */
  let chunks = [];
  stream.on('data', (chunk) => chunks.push(chunk));
  return (octets) =>
    new Promise((resolve) => {
      stream.write(octets);
      if (end !== undefined) stream.write(end);
      stream.flush(constants.Z_SYNC_FLUSH, () => {
        const output = Buffer.concat(chunks);
        chunks = [];
        if (!takesContextOver) stream.reset();
        resolve(output.subarray(0, output.length - cut));
      });
    });
}

/** @param {boolean} takesContextOver @returns {Record<string, { deflate: Transform, inflate: Transform }>} */
function contestants(takesContextOver) {
  /** @param {import('../../src/extension/raw-zlib.ts').ZlibRung} rung @param {number} [level] */
  const ours = (rung, level) => {
    const settings = { windowBits: 15, takesContextOver, rung };
    const deflater = new MessageDeflater({ ...settings, level });
    const inflater = new MessageInflater(settings);
    return {
      deflate: (/** @type {Buffer} */ octets) => deflater.deflate(octets),
      inflate: (/** @type {Buffer} */ octets) => inflater.inflate(octets, 1 << 20),
    };
  };
  return {
    'ours, handle': ours(handleRung),
    'ours, handle, level 6': ours(handleRung, 6),
    'ours, handle, level 1': ours(handleRung, 1),
    'ours, documented': ours(documentedRung),
    'zlib streams': {
      deflate: streamed(createDeflateRaw(), takesContextOver, undefined, tail.length),
      inflate: streamed(createInflateRaw(), takesContextOver, tail),
    },
  };
}

/**
 * Returns the CPU µs per call, and the results of the calls.
 * @param {Transform} transform
 * @param {Buffer[]} messages
 */
async function measure(transform, messages) {
  const outputs = [];
  const before = process.cpuUsage();
  for (const message of messages) {
    const output = transform(message);
    // Not awaited if synchronous. Otherwise our functions would pay for a turn of the event loop that they do not need.
    outputs.push(output instanceof Promise ? await output : output);
  }
  const { user, system } = process.cpuUsage(before);
  return { outputs, time: (user + system) / messages.length };
}

/** @param {number[]} times */
const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];

for (const takesContextOver of [false, true]) {
  /** @type {Map<string, string[]>} */
  const rows = new Map();
  for (const size of sizes) {
    const count = Math.max(10, Math.min(2000, Math.round((quick ? 2e6 : 8e6) / size)));
    const messages = Array.from({ length: count }, (_, i) => jsonText(size, i));
    const variants = Object.entries(contestants(takesContextOver)).map(([name, { deflate, inflate }]) => ({
      name,
      deflate,
      inflate,
      deflating: /** @type {number[]} */ ([]),
      inflating: /** @type {number[]} */ ([]),
      ratio: 0,
    }));
    // The first round warms up and checks the results.
    for (let round = 0; round <= rounds; round++) {
      for (const variant of variants) {
        const deflated = await measure(variant.deflate, messages);
        const inflated = await measure(variant.inflate, deflated.outputs);
        if (round > 0) {
          variant.deflating.push(deflated.time);
          variant.inflating.push(inflated.time);
          continue;
        }
        if (!inflated.outputs.every((octets, i) => octets.equals(messages[i])))
          throw new Error(`${variant.name} does not reproduce the message`);
        variant.ratio = deflated.outputs.reduce((sum, { length }) => sum + length, 0) / (size * count);
      }
    }
    for (const { name, deflating, inflating, ratio } of variants) {
      const cells = rows.get(name) ?? [];
      cells.push(`${median(deflating).toFixed(1)} / ${median(inflating).toFixed(1)} (${ratio.toFixed(2)})`);
      rows.set(name, cells);
    }
  }
  console.log(`| ${takesContextOver ? 'context takeover' : 'no context takeover'} | ${sizes.join(' | ')} |`);
  console.log(`|---|${'--:|'.repeat(sizes.length)}`);
  for (const [name, cells] of rows) console.log(`| ${name} | ${cells.join(' | ')} |`);
  console.log();
}
console.log(
  `deflate / inflate, CPU µs per message (size / size before). Node ${process.version}, ${cpus().length} × ${cpus()[0].model}, load ${loadavg()[0].toFixed(1)}`,
);
process.exit();
