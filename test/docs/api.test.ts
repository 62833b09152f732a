import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from '../../src/index.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const reference = read('docs/api.md');
const sources = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => read(`src/${path}`));

/** All that a pattern finds, once each and in order. */
const matches = (texts: readonly string[], pattern: RegExp): string[] =>
  [...new Set(texts.flatMap((text) => [...text.matchAll(pattern)].map((match) => match[1] as string)))].sort();

/** The names of the members of an interface, or of a class written `Name`. */
function membersOf(path: string, name: string): string[] {
  const text = read(path);
  const body = text.slice(text.indexOf(`interface ${name}`), text.indexOf('\n}\n', text.indexOf(`interface ${name}`)));
  return matches([body], /^ {2}'?([\w-]+)'?\??:/gm);
}

const missing = (names: readonly string[]): string[] => names.filter((name) => !reference.includes(`\`${name}\``));

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

  test('names every option', () => {
    const client = membersOf('src/client/client-options.ts', 'ClientOptions');
    const upgrade = membersOf('src/server/server-options.ts', 'UpgradeOptions');
    const server = membersOf('src/server/server-options.ts', 'ServerOptions');
    expect([client.length, upgrade.length, server.length].every((length) => length > 5)).toBe(true);
    expect(missing([...client, ...upgrade, ...server])).toEqual([]);
  });

  test('names every event', () => {
    const socket = membersOf('src/websocket/websocket.ts', 'WebSocketEvents');
    const server = membersOf('src/server/websocket-server.ts', 'WebSocketServerEvents');
    expect([socket.length, server.length]).toEqual([9, 6]);
    expect(missing([...socket, ...server])).toEqual([]);
  });

  test('names every public method and property', () => {
    for (const { prototype } of [WebSocket, WebSocketServer]) {
      const names = Object.getOwnPropertyNames(prototype).filter(
        // What begins with an underscore is not documented in ws either: see src/ws-internals.ts.
        (name) => !['constructor', 'eventNames'].includes(name) && !name.startsWith('_'),
      );
      expect(names.filter((name) => !new RegExp(`\`${name}[\`(]`).test(reference))).toEqual([]);
    }
  });

  test('gives the defaults of a server', () => {
    const { options } = new WebSocketServer({ noServer: true });
    expect(options).toMatchObject({
      allowSynchronousEvents: true,
      autoPong: true,
      clientTracking: true,
      closeTimeout: 30_000,
      maxBufferedChunks: 0,
      maxFragments: 0,
      maxPayload: 104_857_600,
      maxPendingAutoPongs: 60,
      perMessageDeflate: false,
      skipUTF8Validation: false,
    });
    for (const row of [
      '| `maxPayload` | 104 857 600 (100 MiB) |',
      '| `maxFragments` | 0 |',
      '| `closeTimeout` | 30 000 |',
      '| `autoPong` | true |',
      '| `allowSynchronousEvents` | true |',
      '| `skipUTF8Validation` | false |',
      '| `clientTracking` | true |',
      '| `perMessageDeflate` | false |',
      '| `maxBufferedChunks`, `maxPendingAutoPongs` | 0, 60 |',
    ]) {
      expect(reference).toContain(row);
    }
  });
});
