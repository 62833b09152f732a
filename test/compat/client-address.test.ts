import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { implementations } from '../support/peers.ts';
import { agree, fieldOf, memoryServer, server, targetOf } from '../support/raw-server.ts';
import { client, thrownBy, watch, watchUntilOpen } from '../support/watch.ts';

const scheme = 'The URL\'s protocol must be one of "ws:", "wss:", "http:", "https:", or "ws+unix:"';
const fragment = 'The URL contains a fragment identifier';
const noPath = "The URL's pathname is empty";

describe.each(Object.entries(implementations))('an address, for a client of %s', (_name, by) => {
  /** Returns a client for an address without a server. */
  const at = (address: unknown) =>
    client(by, address as string, { createConnection: memoryServer(() => undefined).createConnection });

  test.each([
    ['ws://example.com', 'ws://example.com/'],
    ['wss://example.com', 'wss://example.com/'],
    ['http://example.com/a', 'ws://example.com/a'],
    ['https://example.com/a', 'wss://example.com/a'],
    ['HTTP://EXAMPLE.com', 'ws://example.com/'],
    ['ws://example.com:80/', 'ws://example.com/'],
    ['wss://example.com:443/', 'wss://example.com/'],
    ['ws://example.com:443/', 'ws://example.com:443/'],
    ['wss://example.com:80/', 'wss://example.com:80/'],
    ['http://example.com:443/', 'ws://example.com:443/'],
    ['ws:example.com', 'ws://example.com/'],
    ['ws:///example.com', 'ws://example.com/'],
    [' ws://example.com ', 'ws://example.com/'],
    ['ws://example.com?q', 'ws://example.com/?q'],
    ['ws://example.com/?q', 'ws://example.com/?q'],
    ['ws://example.com/%7e a/../b', 'ws://example.com/b'],
    ['ws://exämple.com/é', 'ws://xn--exmple-cua.com/%C3%A9'],
    ['ws://user:pa%20ss@example.com/', 'ws://user:pa%20ss@example.com/'],
    ['ws://[::1]:81/', 'ws://[::1]:81/'],
    ['ws+unix:/tmp/a.sock', 'ws+unix:/tmp/a.sock'],
    ['WS+UNIX:/tmp/a.sock:/b?c', 'ws+unix:/tmp/a.sock:/b?c'],
    ['ws+unix:///tmp/a.sock:/b', 'ws+unix:///tmp/a.sock:/b'],
    ['ws+unix:./a.sock:/b', 'ws+unix:./a.sock:/b'],
  ])('%j has the url %j', (address, url) => {
    expect(at(address).url).toBe(url);
    expect(at(new URL(address)).url).toBe(url);
  });

  test('may be any value that converts to an address', () => {
    class Address extends URL {}
    const forms = [
      new Address('ws://example.com/'),
      new String('ws://example.com/'),
      ['ws://example.com/'],
      { toString: () => 'ws://example.com/' },
    ];
    expect(forms.map((address) => at(address).url)).toEqual(forms.map(() => 'ws://example.com/'));
  });

  test('given as a URL is not changed', () => {
    const url = new URL('http://user:secret@example.com/a');
    at(url);
    expect(url.href).toBe('http://user:secret@example.com/a');
  });

  test.each(['', 'foo', 'ws:', 'ws://', '//example.com', 'ws://[::1', 'ws://a:99999', undefined, 5, true, {}])(
    '%j is a SyntaxError with the address in its message',
    (address) => {
      expect(thrownBy(() => at(address))).toBe(`SyntaxError: Invalid URL: ${address}`);
    },
  );

  test.each([
    ['ftp://example.com', scheme],
    ['file:///a', scheme],
    ['mailto:a@b', scheme],
    ['blob:ws://example.com', scheme],
    ['javascript:1', scheme],
    ['http+unix:/a', scheme],
    ['ws://example.com/#a', fragment],
    ['wss://example.com/?q#a', fragment],
    ['ws+unix:/tmp/a.sock#a', fragment],
    ['ws+unix:', noPath],
    ['ws+unix:?q', noPath],
    ['ftp://example.com/#a', scheme],
    ['ws+unix:#a', noPath],
  ])('%j is the SyntaxError "%s"', (address, message) => {
    expect(thrownBy(() => at(address))).toBe(`SyntaxError: ${message}`);
    expect(thrownBy(() => at(new URL(address)))).toBe(`SyntaxError: ${message}`);
  });

  test.each([
    // Columns: address, Host, host to connect to, port, path.
    ['ws://example.com', 'example.com', 'example.com', 80, '/'],
    ['wss://example.com', 'example.com', 'example.com', 443, '/'],
    ['ws://example.com:443/a', 'example.com:443', 'example.com', '443', '/a'],
    ['wss://example.com:80/a?b', 'example.com:80', 'example.com', '80', '/a?b'],
    ['ws://EXAMPLE.com.:8080/a%20b?c=d&e', 'example.com.:8080', 'example.com.', '8080', '/a%20b?c=d&e'],
    ['ws://[::1]/', '[::1]', '::1', 80, '/'],
    ['wss://[::1]:8443/', '[::1]:8443', '::1', '8443', '/'],
    ['ws://127.1/', '127.0.0.1', '127.0.0.1', 80, '/'],
    ['http://example.com/', 'example.com', 'example.com', 80, '/'],
    ['https://example.com/', 'example.com', 'example.com', 443, '/'],
  ])('%j connects to %s, at %s and port %j, for %j', async (address, hostField, host, port, target) => {
    const { requests, options, createConnection } = memoryServer();
    const { closed } = watchUntilOpen(client(by, address, { createConnection }));
    expect(await closed).toEqual(['upgrade 101 [0]', 'open [1]', 'close 1006 "" [3]']);
    expect(fieldOf(requests[0]!, 'Host')).toBe(hostField);
    expect(targetOf(requests[0]!)).toBe(target);
    expect(options[0]).toMatchObject({ host, port, defaultPort: /^(wss|https):/.test(address) ? 443 : 80 });
    expect(options[0]!.path).toBeUndefined();
  });

  test.each([
    ['user:password', 'user:password'],
    ['us%65r:pa%20ss', 'user:pa ss'],
    ['user', 'user:'],
    [':password', ':password'],
    ['a%3Ab:c:d', 'a:b:c:d'],
    ['%C3%A9:%E2%82%AC', 'é:€'],
    ['é:é', 'é:é'],
    ['%zz:%e9', '%zz:\ufffd'],
  ])('with the user %s sends Basic authentication as "%s"', async (userinfo, credentials) => {
    const { requests, createConnection } = memoryServer();
    await watchUntilOpen(client(by, `ws://${userinfo}@example.com/`, { createConnection })).closed;
    const expected = `Basic ${Buffer.from(credentials).toString('base64')}`;
    expect(fieldOf(requests[0]!, 'Authorization')).toBe(expected);
    expect(fieldOf(requests[0]!, 'Host')).toBe('example.com');
  });

  test.each([
    ['', '/'],
    [':', '/'],
    [':/', '/'],
    [':/chat?room=1', '/chat?room=1'],
    [':?room=1', '?room=1'],
    [':/a:b:c?d:e', '/a:b:c?d:e'],
    [':a', 'a'],
  ])('of a Unix socket that ends with %j requests %j', async (rest, target) => {
    const path = join(tmpdir(), `goodwire-${randomUUID()}.sock`);
    const raw = await server(agree, { path });
    const socket = client(by, `ws+unix:${path}${rest}`);
    await watchUntilOpen(socket).closed;
    expect(socket.url).toBe(`ws+unix:${path}${rest}`);
    expect(raw.requests.map(({ text }) => targetOf(text))).toEqual([target]);
    expect(fieldOf(raw.requests[0]!.text, 'Host')).toBe('localhost');
  });

  test.each([
    ['ws+unix:/nowhere/a.sock', '/nowhere/a.sock'],
    ['ws+unix:/nowhere/a:b.sock:/c', '/nowhere/a'],
    ['ws+unix:/nowhere/a.sock?b:/c', '/nowhere/a.sock?b'],
  ])('%j connects to the Unix socket %s', async (address, path) => {
    const { log, closed } = watch(client(by, address));
    await closed;
    expect(log).toEqual([`error Error: connect ENOENT ${path} (ENOENT) [2]`, 'close 1006 "" [3]']);
  });
});
