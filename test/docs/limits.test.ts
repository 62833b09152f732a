import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { rows as tried } from '../../scripts/consumers/limit-table.mjs';
import { entriesOf } from './entries.ts';
import { PublicTypes } from './public-types.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const reference = read('docs/api.md');

const types = new PublicTypes();
afterAll(() => types.close());

interface Row {
  /** Names of options. */
  readonly names: readonly string[];
  readonly standard: string;
  readonly bounds: string;
  /** Channels, without `goodwire:`. */
  readonly channels: readonly string[];
}

const codesOf = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);

/** Rows of the table in SECURITY.md. */
const rows: Row[] = read('SECURITY.md')
  .split('| setting | default | what it bounds | message |\n')[1]!
  .split('\n\n')[0]!
  .split('\n')
  .slice(1)
  .map((line) => {
    const [names, standard, bounds, message, ...more] = line.slice(2, -2).split(' | ');
    expect(more, line).toEqual([]);
    return { names: codesOf(names!), standard: standard!, bounds: bounds!, channels: codesOf(message!) };
  });
const rowOf = (name: string): Row => rows.find(({ names }) => names.includes(name))!;

/**
 * Constants of src/ that are limits for a peer, with their place in the table: the name of the option, or words of the row that has none.
 * `seconds` if the table has seconds and the constant milliseconds.
 */
const constants: Readonly<Record<string, { readonly row: string; readonly seconds?: true }>> = {
  defaultCloseTimeout: { row: 'closeTimeout', seconds: true },
  defaultConcurrencyLimit: { row: 'concurrencyLimit' },
  defaultHandshakeTimeout: { row: 'handshakeTimeout', seconds: true },
  defaultMaxFinalBlocks: { row: 'maxFinalBlocks' },
  defaultMaxHeadersCount: { row: 'maxHeadersCount' },
  defaultMaxPayload: { row: 'maxPayload' },
  defaultMaxPendingHandshakes: { row: 'maxPendingHandshakes' },
  defaultMaxRedirects: { row: 'maxRedirects' },
  maxFragmentsKept: { row: 'delivered separately' },
  maxFrames: { row: 'frames of one connection in a turn' },
  maxReasonLength: { row: 'the reason of a close frame' },
};

/** Constants of src/, outside of goods, that limit nothing of a peer. */
const others: Readonly<Record<string, string>> = {
  defaultPorts: 'of an address',
  defaultThreshold: 'which messages are compressed',
  defaultWindowBits: 'of RFC 7692',
  maxAhead: 'memory for what arrives: the row has it in words',
  maxBatch: 'when batches are written',
  maxChunkSize: 'output of zlib at a time',
  maxDeflatedAtOnce: 'where a message is compressed',
  maxDelay: 'when batches are written',
  maxHeaderLength: 'of RFC 6455',
  maxOvertakings: 'the order of the messages on the thread pool',
  maxPieceLength: 'which pieces of a message are inflated at once',
  maxQuietPhases: 'when batches are written',
  maxSpareSlabs: 'of a pool',
  maxSpareWriters: 'of a pool',
  maxTime: 'a turn of one connection: the row has it in words',
  maxTimeOfAll: 'a turn of all that are behind: the row has it in words',
  maxTimerDelay: 'of a timer',
  maxUncongested: 'which pings are answered: the row has it in words',
  maxWaitForServer: 'a client leaves the end to the server for a second',
  maxWindowBits: 'of RFC 7692',
};

/** Constants at the top of the modules of src/ outside of goods, with the numbers that they are. */
const found = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.ts') && !path.startsWith('goods'))
  .flatMap((path) => [
    ...read(`src/${path}`).matchAll(/^(?:export )?const ((?:max|default)[A-Z]\w*)\b[^=]*= (.*?);?$/gm),
  ])
  .map(([, name, value]) => [name!, value!.replaceAll('_', '')] as const);

describe('the table of limits in SECURITY.md', () => {
  test('has for each row a default, what it bounds, and the channel of its message, or a dash', () => {
    expect(rows.length).toBeGreaterThan(20);
    const channels = ['limit', 'error', 'goodwire:upgrade-refused'];
    for (const { standard, bounds, channels: given } of rows) {
      expect(standard).not.toBe('');
      expect(bounds.length).toBeGreaterThan(10);
      expect(given.filter((name) => !channels.includes(name))).toEqual([]);
    }
  });

  test('has every limit that is published on goodwire:limit-reached, and no other', () => {
    const published = rows.filter(({ channels }) => channels.includes('limit')).flatMap(({ names }) => names);
    // maxPayload is what is published for perMessageDeflate.
    const names = published.filter((name) => name !== 'perMessageDeflate');
    expect(names.sort()).toEqual(types.membersOfUnion('LimitName'));
  });

  test('names options that have an entry in docs/api.md or docs/goods.md', () => {
    const headings = ['Options for clients and servers', 'Options for a client', 'Options for a server', 'Compression'];
    const documented = headings.flatMap((heading) => entriesOf(reference, heading).flatMap(({ names }) => names));
    // An option of tls.connect(), which the reference describes together.
    documented.push('rejectUnauthorized');
    for (const [, name] of read('docs/goods.md').matchAll(/^#### Market option: `(\w+)`/gm)) documented.push(name!);
    expect(rows.flatMap(({ names }) => names).filter((name) => !documented.includes(name))).toEqual([]);
  });

  test('has the defaults of src/', () => {
    for (const [name, { row, seconds }] of Object.entries(constants)) {
      const values = new Set(found.filter(([constant]) => constant === name).map(([, value]) => Number(value)));
      expect(values.size, name).toBe(1);
      const [value] = values;
      const { standard } = rowOf(row) ?? rows.find(({ bounds }) => bounds.includes(row))!;
      const number = seconds ? `${value! / 1000} s` : String(value);
      const words = standard.replaceAll(/(\d) (?=\d)/g, '$1').split(/[ ,:(]+/);
      expect(` ${words.join(' ')} `, name).toContain(` ${number} `);
    }
  });

  test('leaves out no constant of src/ that limits a peer', () => {
    const unknown = found.map(([name]) => name).filter((name) => !(name in constants) && !(name in others));
    expect(unknown).toEqual([]);
    const names = found.map(([name]) => name);
    expect([...Object.keys(constants), ...Object.keys(others)].filter((name) => !names.includes(name))).toEqual([]);
  });
});

test('docs/api.md describes each limit that is published on goodwire:limit-reached', () => {
  const table = reference.split('| `limit` | with | when |\n')[1]!.split('\n\n')[0]!;
  const described = table
    .split('\n')
    .slice(1)
    .flatMap((line) => codesOf(line.split(' | ')[0]!));
  expect(described.sort()).toEqual(types.membersOfUnion('LimitName'));
});

test('each limit of a server is tried in every state of it', () => {
  const ofClients = ['maxRedirects'];
  const ofMarkets = ['heartbeat'];
  const limits = types.membersOfUnion('LimitName').filter((name) => ![...ofClients, ...ofMarkets].includes(name));
  const names = tried.map(({ limit }) => limit);
  expect(limits.filter((limit) => !names.includes(limit))).toEqual([]);
});
