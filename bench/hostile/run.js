/**
 * CPU per byte of hostile compressed input, for goodwire and ws. See ../README.md.
 *
 *     npm run bench:hostile -- [--forms id,…] [--rounds n] [--seconds s] [--list]
 */
import { connect } from 'node:net';
import { availableParallelism, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { contestants } from '../contestants.js';
import { start } from '../control.js';
import { format, median } from '../table.js';
import { deflateOption, request } from '../wire.js';
import { forms } from './forms.js';

const { values: options } = parseArgs({
  options: {
    forms: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '0.3' },
    list: { type: 'boolean', default: false },
  },
});

/** Maximum milliseconds that an answer may take. */
const patience = 30_000;
/** Ping whose pong shows that everything before it was read, and the length of that pong. */
const ping = Buffer.from('898100000000' + '21', 'hex');
const pongLength = 3;

/** A hostile peer. */
class Peer {
  #socket;
  #isOpen = false;
  /** @type {(error?: Error) => void} */
  #settled = () => {};

  /**
   * @param {number} port
   * @param {string} offer
   */
  constructor(port, offer) {
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => this.#settled());
    let received = '';
    this.#socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (!this.#isOpen && !received.includes('\r\n\r\n')) return;
      if (!this.#isOpen) {
        this.#isOpen = true;
        received = '';
        this.#settled();
      } else if (received.length >= pongLength && received.startsWith('\x8a\x01!')) {
        received = '';
        this.#settled();
      }
    });
    this.#socket.write(
      request.toString('latin1').replace('\r\n\r\n', `\r\nSec-WebSocket-Extensions: ${offer}\r\n\r\n`),
    );
  }

  /** Resolves at the next answer, or when the connection has closed. */
  answered() {
    return /** @type {Promise<void>} */ (
      new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error('the server does not answer')), patience);
        this.#settled = () => {
          clearTimeout(late);
          resolve();
        };
      })
    );
  }

  /** @param {Buffer} octets */
  write(octets) {
    this.#socket.write(octets);
  }

  end() {
    this.#socket.destroy();
  }
}

/**
 * @param {number} port
 * @param {import('./forms.js').Form} form
 */
async function peers(port, { connections = 4, windowBits }) {
  const offer = `permessage-deflate${windowBits === undefined ? '' : `; client_max_window_bits`}`;
  const all = [];
  for (let i = 0; i < connections; i++) {
    const peer = new Peer(port, offer);
    await peer.answered();
    all.push(peer);
  }
  return all;
}

/**
 * Starts a server, and returns what takes a sample: CPU nanoseconds of the server for each byte that the peers wrote.
 * @param {import('./forms.js').Form} form
 * @param {import('../contestants.js').Contestant} contestant
 * @param {Buffer} octets
 */
async function prepare(form, { library, env }, octets) {
  const perMessageDeflate = {
    ...deflateOption(form.context ?? 'none'),
    ...(form.windowBits !== undefined && { clientMaxWindowBits: form.windowBits }),
  };
  const server = await start('hostile/server.js', { library, perMessageDeflate }, { env });
  const port = await server.ask('port');
  /** @type {Peer[]} */
  let all = [];
  /** @param {number} seconds */
  const turn = async (seconds) => {
    const end = performance.now() + seconds * 1e3;
    let cpu = 0;
    let length = 0;
    do {
      if (all.length === 0 || form.ends) all = await peers(port, form);
      const before = await server.ask('cpu');
      const answers = all.map((peer) => peer.answered());
      for (const peer of all) {
        peer.write(octets);
        if (!form.ends) peer.write(ping);
      }
      await Promise.all(answers);
      cpu += (await server.ask('cpu')) - before;
      length += octets.length * all.length;
    } while (performance.now() < end);
    return (cpu * 1e3) / length;
  };
  return { turn, end: () => server.stop() };
}

async function main() {
  if (options.list) {
    for (const { id, title } of forms) console.log(`${id.padEnd(24)} ${title}`);
    return;
  }
  const ids = options.forms?.split(',') ?? forms.map(({ id }) => id);
  const unknown = ids.find((id) => !forms.some((form) => form.id === id));
  if (unknown !== undefined) throw new Error(`unknown form ${unknown}`);
  const field = (await contestants()).filter(({ name }) => name === 'goodwire' || name === 'ws');
  const [rounds, seconds] = [Number(options.rounds), Number(options.seconds)];
  console.log(`node ${process.version}, ${availableParallelism()} cores, load average ${loadavg()[0].toFixed(2)}`);
  console.log(
    `${field.map(({ name, version }) => `${name} = ${version}`).join('; ')}; ${rounds} rounds of ${seconds} s\n`,
  );
  console.log('| what a peer sends | goodwire | `ws` | goodwire ÷ `ws` |\n|---|--:|--:|--:|');
  const spreads = [];
  let worst = 0;
  for (const form of forms.filter(({ id }) => ids.includes(id))) {
    const octets = form.octets();
    const turns = [];
    /** @type {number[][]} */
    const samples = field.map(() => []);
    try {
      for (const contestant of field) turns.push(await prepare(form, contestant, octets));
      for (const { turn } of turns) await turn(seconds / 3);
      for (let round = 0; round < rounds; round++)
        for (const [i, { turn }] of turns.entries()) samples[i].push(await turn(seconds));
    } finally {
      for (const { end } of turns) await end();
    }
    const [ours, theirs] = samples.map(median);
    const ratios = samples[0].map((sample, round) => sample / samples[1][round]);
    const ratio = median(ratios);
    if (!form.isLost) worst = Math.max(worst, ratio);
    spreads.push((Math.max(...ratios) - Math.min(...ratios)) / ratio);
    console.log(
      `| ${form.title} | ${format(ours)} | ${format(theirs)} | ${ratio.toFixed(2)}${form.isLost ? ' †' : ''} |`,
    );
    process.stderr.write(`${form.id}\n`);
  }
  console.log(
    `\nCPU nanoseconds of the server, zlib's threads included, for each byte on the wire. Medians; the largest ratio is ${worst.toFixed(1)}, without †.`,
  );
  console.log(
    `The ratios of the rounds of a row differ by ${Math.round(median(spreads) * 100)} % (median of the rows). Load average now ${loadavg()[0].toFixed(2)}.`,
  );
}

try {
  await main();
  process.exit(0);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
