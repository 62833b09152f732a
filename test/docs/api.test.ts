import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { WebSocketServer } from '../../src/index.ts';
import { codeOf, entriesOf, namesOf, withoutFacts } from './entries.ts';
import { PublicTypes } from './public-types.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const reference = read('docs/api.md');
const sources = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => read(`src/${path}`));

/** Returns everything that a pattern finds, once each and in order. */
const matches = (texts: readonly string[], pattern: RegExp): string[] =>
  [...new Set(texts.flatMap((text) => [...text.matchAll(pattern)].map((match) => match[1] as string)))].sort();

const types = new PublicTypes();
afterAll(() => types.close());

const shared = 'Options for clients and servers';
const ofClients = 'Options for a client';
const ofServers = 'Options for a server';

describe('docs/api.md', () => {
  test('lists every code of a HandshakeError and of a NegotiationError, and none that there is not', () => {
    const used = matches(sources, /'(GOODWIRE_[A-Z_]+)'/g);
    const built = matches(sources, /`GOODWIRE_\$\{(\w+)\}`/g);
    expect(built).toEqual(['string']);
    expect(matches([reference], /^\| `(GOODWIRE_[A-Z_]+)` \|/gm)).toEqual(used);
  });

  test('lists every diagnostics channel, and none that there is not', () => {
    expect(matches([reference], /^\| `(goodwire:[\w:-]+)` \|/gm)).toEqual(matches(sources, /'(goodwire:[\w:-]+)'/g));
  });

  test('has one entry for each option of a client, and for no other', () => {
    const options = types.membersOf('ClientOptions');
    expect(options.length).toBeGreaterThan(25);
    expect(namesOf(reference, shared, ofClients)).toEqual(options);
  });

  test('has one entry for each option of a server, and for no other', () => {
    const options = types.membersOf('ServerOptions');
    expect(options.length).toBeGreaterThan(20);
    expect(namesOf(reference, shared, ofServers)).toEqual(options);
  });

  test('has one entry for each option of perMessageDeflate, and for no other', () => {
    const options = types.membersOf('PerMessageDeflateOptions');
    expect(options.length).toBeGreaterThan(8);
    expect(namesOf(reference, 'Compression')).toEqual(options);
  });

  test('begins the entry of each option with its type and its default', () => {
    expect(withoutFacts(reference, shared, ofClients, ofServers, 'Compression')).toEqual([]);
  });

  test.each([
    ['WebSocketEvents', 'Events of a WebSocket', 9],
    ['WebSocketServerEvents', 'Events of a WebSocketServer', 6],
  ])('has one entry for each event in %s, and for no other', (type, heading, count) => {
    const events = types.membersOf(type);
    expect(events).toHaveLength(count);
    expect(namesOf(reference, heading)).toEqual(events);
  });

  test.each([
    ['WebSocket', 'Properties of a WebSocket', 'Methods of a WebSocket'],
    ['WebSocketServer', 'Methods and properties of a WebSocketServer'],
  ])('has one entry for each method and property of a %s, and for no other', (type, ...headings) => {
    const members = types.membersOf(type);
    expect(members.length).toBeGreaterThan(10);
    expect(namesOf(reference, ...headings)).toEqual(members);
  });

  test.each([
    ['SendOptions', 'Methods of a WebSocket', 'send'],
    ['BroadcastOptions', 'Methods and properties of a WebSocketServer', 'broadcast'],
  ])('names each of %s in the entry of its method', (type, heading, method) => {
    const [entry, ...more] = entriesOf(reference, heading).filter(({ names }) => names.includes(method));
    expect(more).toEqual([]);
    const options = types.membersOf(type);
    expect(options.length).toBeGreaterThan(2);
    const code = codeOf(entry?.text ?? '');
    expect(options.filter((name) => !new RegExp(`\\b${name}\\b`).test(code))).toEqual([]);
  });

  test('gives the defaults of a server', () => {
    const { options } = new WebSocketServer({ noServer: true });
    const defaults = {
      allowSynchronousEvents: 'true',
      autoPong: 'true',
      clientTracking: 'true',
      closeTimeout: '30 000',
      maxBufferedChunks: '0',
      maxFragments: '0',
      maxPayload: '104 857 600 (100 MiB)',
      maxPendingAutoPongs: '60',
      skipUTF8Validation: 'false',
    };
    const entries = [...entriesOf(reference, shared), ...entriesOf(reference, ofServers)];
    for (const [name, value] of Object.entries(defaults)) {
      const isIt = ({ names }: { names: readonly string[] }) => names.includes(name);
      expect(entries.find(isIt)?.text.split('\n')[0]?.split(' · ')[1], name).toBe(`default ${value}`);
      const plain = value.replace(/ \(.*/, '').replaceAll(' ', '');
      expect(String(options[name as keyof typeof options]), name).toBe(plain);
    }
    expect(options.perMessageDeflate).toBe(false);
  });
});
