import * as http from 'node:http';
import { describe, expect, test } from 'vitest';
import { implementations } from '../support/peers.ts';
import { agree, fieldOf, memoryServer, redirection, server, switching, targetOf } from '../support/raw-server.ts';
import { settle } from '../support/until.ts';
import { client, watch, watchUntilOpen } from '../support/watch.ts';

type Options = NonNullable<Parameters<typeof client>[2]>;

const lost = 'close 1006 "" [3]';
const opened = ['upgrade 101 [0]', 'open [1]', lost];
const refused = (status: number) => [
  `unexpected-response ${status} [0]`,
  `error Error: Unexpected server response: ${status} [2]`,
  lost,
];
const scheme = 'The URL\'s protocol must be one of "ws:", "wss:", "http:", "https:", or "ws+unix:"';

/** Fields that may contain credentials, except `Proxy-Authorization`, which ws sends to every server. */
const secrets = { Authorization: 'Bearer secret', COOKIE: 'session=secret', Host: 'example.org', 'X-Mine': 'yes' };
const basic = (credentials: string) => `Basic ${Buffer.from(credentials).toString('base64')}`;

describe.each(Object.entries(implementations))('a redirect, for a client of %s', (_name, by) => {
  /** Connects to a server that redirects to each location in turn, regardless of the address, and then accepts. */
  function follow(from: string, locations: string[], options: Options = {}) {
    const memory = memoryServer(({ accept, number }) => {
      const location = locations[number - 1];
      return location === undefined ? switching(accept) : redirection(location);
    });
    const { createConnection } = memory;
    const socket = client(by, from, { followRedirects: true, createConnection, ...options });
    return { ...memory, socket, ...watchUntilOpen(socket) };
  }

  /** Returns the credentials in the last request. */
  const told = ({ requests }: { requests: string[] }) => {
    const [authorization, cookie, host] = ['authorization', 'cookie', 'host'].map((name) =>
      fieldOf(requests.at(-1)!, name),
    );
    return { authorization, cookie, host };
  };

  test.each([
    [true, true],
    [1, true],
    ['yes', true],
    [false, false],
    [0, false],
    ['', false],
    [null, false],
    [undefined, false],
  ])('with followRedirects %j is followed: %j', async (followRedirects, isFollowed) => {
    const { closed } = follow('ws://a.example/', ['/b'], { followRedirects: followRedirects as boolean });
    expect(await closed).toEqual(isFollowed ? ['redirect ws://a.example/b [0]', ...opened] : refused(302));
  });

  test.each([300, 301, 302, 303, 304, 305, 307, 308, 399])(
    'with status %i is followed, and its connection closed',
    async (status) => {
      const target = await server(agree);
      const raw = await server(() => redirection(`http://127.0.0.1:${target.port}/there?b`, status));
      const socket = client(by, `ws://127.0.0.1:${raw.port}/here`, { followRedirects: true });
      const url = `ws://127.0.0.1:${target.port}/there?b`;
      expect(await watchUntilOpen(socket).closed).toEqual([`redirect ${url} [0]`, ...opened]);
      expect(targetOf(target.requests[0]!.text)).toBe('/there?b');
      expect(target.requests[0]!.accept).not.toBe(raw.requests[0]!.accept);
      expect(socket.url).toBe(url);
      await raw.allClosed();
    },
  );

  test.each([200, 299, 400])('with status %i is not followed', async (status) => {
    const { createConnection } = memoryServer(() => redirection('/b', status));
    const { closed } = watch(client(by, 'ws://a.example/', { followRedirects: true, createConnection }));
    expect(await closed).toEqual(refused(status));
  });

  test.each(['', 'Location:\r\n'])('without a location is not followed: %j', async (field) => {
    const { createConnection } = memoryServer(() => `HTTP/1.1 302 Found\r\n${field}Content-Length: 0\r\n\r\n`);
    const { closed } = watch(client(by, 'ws://a.example/', { followRedirects: true, createConnection }));
    expect(await closed).toEqual(refused(302));
  });

  test('with two locations follows the first', async () => {
    const { createConnection } = memoryServer(({ number, accept }) =>
      number === 1 ? redirection('/b\r\nLocation: /c') : switching(accept),
    );
    const socket = client(by, 'ws://a.example/', { followRedirects: true, createConnection });
    await watchUntilOpen(socket).closed;
    expect(socket.url).toBe('ws://a.example/b');
  });

  test.each([
    ['/b', 'ws://a.example/b', '/b'],
    ['b?c', 'ws://a.example/x/b?c', '/x/b?c'],
    ['../b', 'ws://a.example/b', '/b'],
    ['?c', 'ws://a.example/x/y?c', '/x/y?c'],
    ['//b.example/c', 'ws://b.example/c', '/c'],
    ['/b c', 'ws://a.example/b%20c', '/b%20c'],
    ['http://b.example', 'ws://b.example/', '/'],
    ['https://b.example:8443/c', 'wss://b.example:8443/c', '/c'],
  ])('from ws://a.example/x/y?z to %s leads to %s', async (location, url, target) => {
    const { closed, socket, requests } = follow('ws://a.example/x/y?z', [location]);
    expect(await closed).toEqual([`redirect ${url} [0]`, ...opened]);
    expect(socket.url).toBe(url);
    expect(targetOf(requests[1]!)).toBe(target);
  });

  test.each([
    ['ws://', 'SyntaxError: Invalid URL: ws://'],
    ['http://[', 'SyntaxError: Invalid URL: http://['],
    ['ftp://b.example/', `SyntaxError: ${scheme}`],
    ['javascript:1', `SyntaxError: ${scheme}`],
    ['data:,', `SyntaxError: ${scheme}`],
    ['/b#c', 'SyntaxError: The URL contains a fragment identifier'],
    ['ws+unix:', "SyntaxError: The URL's pathname is empty"],
  ])('to %s fails', async (location, error) => {
    const { closed, requests } = follow('ws://a.example/', [location]);
    expect(await closed).toEqual([`error ${error} [2]`, lost]);
    expect(requests).toHaveLength(1);
  });

  test('repeats the first request', async () => {
    const memory = memoryServer(({ number, accept }) =>
      number === 1 ? redirection('ws://b.example/') : switching(accept, 'Sec-WebSocket-Protocol: q\r\n'),
    );
    const options = {
      protocols: ['p', 'q'],
      origin: 'http://example.org',
      protocolVersion: 8,
      headers: { 'X-Mine': '1' },
    };
    const { createConnection } = memory;
    const socket = client(by, 'ws://a.example/', { followRedirects: true, createConnection, ...options });
    expect(await watchUntilOpen(socket).closed).toEqual(['redirect ws://b.example/ [0]', ...opened]);
    expect(socket.protocol).toBe('q');
    const names = ['Sec-WebSocket-Protocol', 'Sec-WebSocket-Origin', 'Sec-WebSocket-Version', 'X-Mine'];
    for (const request of memory.requests)
      expect(names.map((name) => fieldOf(request, name))).toEqual(['p,q', 'http://example.org', '8', '1']);
    expect(memory.options.map(({ host }) => host)).toEqual(['a.example', 'b.example']);
  });

  test('can be refused by the next server', async () => {
    const { createConnection } = memoryServer(({ number }) =>
      number === 1 ? redirection('/b') : 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n',
    );
    const { closed } = watch(client(by, 'ws://a.example/', { followRedirects: true, createConnection }));
    expect(await closed).toEqual(['redirect ws://a.example/b [0]', ...refused(404)]);
  });

  test.each([
    [0, 0],
    [1, 1],
    [3, 3],
    ['2', 2],
    [-1, 0],
    [undefined, 10],
  ])('is followed at most maxRedirects %j times: %i times', async (maxRedirects, times) => {
    const options = maxRedirects === undefined ? {} : { maxRedirects: maxRedirects as number };
    const { closed, requests } = follow('ws://a.example/', Array(20).fill('/b'), options);
    const redirects = Array(times).fill('redirect ws://a.example/b [0]');
    expect(await closed).toEqual([...redirects, 'error Error: Maximum redirects exceeded [2]', lost]);
    expect(requests).toHaveLength(times + 1);
  });

  test('passes the next request to a listener, which may change it before it is sent', async () => {
    const { socket, closed, requests } = follow('ws://a.example/', ['ws://b.example/c'], { headers: secrets });
    const given: unknown[] = [];
    socket.on('redirect', (url, request) => {
      given.push(url, socket.url, request.path, request.getHeader('host'), request.headersSent, request.writableEnded);
      request.removeHeader('cookie');
      request.setHeader('X-New', 'yes');
    });
    await closed;
    const url = 'ws://b.example/c';
    expect(given).toEqual([url, url, '/c', 'example.org', false, false]);
    expect(fieldOf(requests[1]!, 'X-New')).toBe('yes');
    expect(fieldOf(requests[1]!, 'Cookie')).toBeUndefined();
  });

  test.each([
    ['', 'Error: socket hang up (ECONNRESET)'],
    ['with an error', 'RangeError: mine'],
  ])('can be refused by destroying the next request %s', async (how, error) => {
    const raw = await server(() => redirection('/b'));
    const socket = client(by, `ws://127.0.0.1:${raw.port}/`, { followRedirects: true });
    const { closed } = watch(socket);
    socket.on('redirect', (_url, request) => void request.destroy(how ? new RangeError('mine') : undefined));
    expect(await closed).toEqual([`redirect ws://127.0.0.1:${raw.port}/b [0]`, `error ${error} [2]`, lost]);
    await settle();
    expect(raw.requests).toHaveLength(1);
  });

  test('is passed to finishRequest like the first request', async () => {
    const finished: string[] = [];
    const finishRequest = (request: http.ClientRequest) => {
      finished.push(`${request.path} ${request.headersSent}`);
      request.setHeader('X-Late', request.path);
      request.end();
    };
    const { closed, requests } = follow('ws://a.example/', ['/b'], { finishRequest });
    await closed;
    expect(finished).toEqual(['/ false', '/b false']);
    expect(requests.map((request) => fieldOf(request, 'X-Late'))).toEqual(['/', '/b']);
  });

  test('uses the same agent', async () => {
    const target = await server(agree);
    const raw = await server(() => redirection(`ws://127.0.0.1:${target.port}/`));
    const asked: unknown[] = [];
    class Asked extends http.Agent {
      override createConnection(options: http.ClientRequestArgs, callback: () => void) {
        asked.push(options.port);
        return http.Agent.prototype.createConnection.call(this, options, callback);
      }
    }
    const options = { followRedirects: true, agent: new Asked() };
    const { closed } = watchUntilOpen(client(by, `ws://127.0.0.1:${raw.port}/`, options));
    expect((await closed).slice(1)).toEqual(opened);
    expect(asked).toEqual([String(raw.port), String(target.port)]);
  });

  const stays: [from: string, to: string][] = [
    ['ws://a.example/', '/b'],
    ['ws://a.example/', 'http://A.EXAMPLE:80/b'],
    ['ws://a.example/', 'wss://a.example/'],
    ['ws://a.example:9/', 'wss://a.example:9/'],
    ['wss://a.example/', 'https://a.example:443/b'],
    ['ws+unix:/a.sock:/', 'ws+unix:/a.sock:/b'],
  ];
  const leaves: [from: string, to: string][] = [
    ['ws://a.example/', 'ws://b.example/'],
    ['ws://a.example/', 'ws://b.a.example/'],
    ['ws://a.example/', 'ws://a.example:81/'],
    ['ws://a.example/', 'wss://b.example/'],
    ['wss://a.example/', 'wss://a.example:8443/'],
    ['ws+unix:/a.sock:/', 'ws+unix:/b.sock:/'],
    ['ws+unix:/a.sock:/', 'ws://localhost/'],
  ];
  const isUnix = (address: string) => address.includes('unix');
  const hostOf = (address: string) => (isUnix(address) ? 'localhost' : new URL(address).host);

  describe.each(stays)('from %s to %s', (from, to) => {
    test('keeps header fields', async () => {
      const followed = follow(from, [to], { headers: secrets });
      await followed.closed;
      expect(told(followed)).toEqual({ authorization: 'Bearer secret', cookie: 'session=secret', host: 'example.org' });
    });

    test('keeps auth', async () => {
      const followed = follow(from, [to], { auth: 'user:secret' });
      await followed.closed;
      expect(told(followed).authorization).toBe(basic('user:secret'));
    });
  });

  describe.each(leaves)('from %s to %s', (from, to) => {
    test('removes header fields with credentials, and the Host', async () => {
      const followed = follow(from, [to], { headers: secrets });
      await followed.closed;
      expect(told(followed)).toEqual({ authorization: undefined, cookie: undefined, host: hostOf(to) });
      expect(fieldOf(followed.requests[1]!, 'X-Mine')).toBe('yes');
    });

    test('removes auth', async () => {
      const followed = follow(from, [to], { auth: 'user:secret' });
      await followed.closed;
      expect(told(followed).authorization).toBeUndefined();
    });

    test('leaves everything to a listener for redirect, if there is one', async () => {
      const followed = follow(from, [to], { headers: secrets });
      followed.socket.on('redirect', () => {});
      await followed.closed;
      expect(told(followed)).toEqual({ authorization: 'Bearer secret', cookie: 'session=secret', host: 'example.org' });

      const user = follow(from, [to], { auth: 'user:secret' });
      user.socket.on('redirect', () => {});
      await user.closed;
      expect(told(user)).toEqual({ authorization: basic('user:secret'), cookie: undefined, host: hostOf(to) });
    });
  });

  test.each(stays.filter(([from]) => !isUnix(from)))(
    'from %s to %s keeps the user of the address, even if the location names another user',
    async (from, to) => {
      const address = from.replace('//', '//user:secret@');
      const others = to.startsWith('/') ? [to] : [to, to.replace('//', '//other:one@')];
      for (const location of others) {
        const followed = follow(address, [location]);
        await followed.closed;
        expect(told(followed).authorization).toBe(basic('user:secret'));
      }
    },
  );

  test.each(leaves.filter(([from]) => !isUnix(from)))(
    'from %s to %s removes the user of the address',
    async (from, to) => {
      const followed = follow(from.replace('//', '//user:secret@'), [to]);
      await followed.closed;
      expect(told(followed).authorization).toBeUndefined();
    },
  );

  test.each([
    ['wss://a.example/', 'ws://a.example/'],
    ['wss://a.example:9/', 'ws://a.example:9/'],
  ])('from %s to %s removes credentials, but keeps the Host', async (from, to) => {
    const followed = follow(from, [to], { headers: secrets });
    await followed.closed;
    expect(told(followed)).toEqual({ authorization: undefined, cookie: undefined, host: 'example.org' });
    const user = follow(from.replace('//', '//user:secret@'), [to]);
    await user.closed;
    expect(told(user).authorization).toBeUndefined();
  });

  test('from plain text to TLS and back keeps credentials', async () => {
    const followed = follow('ws://user:secret@a.example/', ['wss://a.example/b', 'ws://a.example/c']);
    await followed.closed;
    expect(told(followed).authorization).toBe(basic('user:secret'));
  });

  test('uses the user in a location on the same server', async () => {
    const followed = follow('ws://a.example/', ['ws://user:secret@a.example/b', '/c']);
    expect(await followed.closed).toEqual([
      'redirect ws://user:secret@a.example/b [0]',
      'redirect ws://user:secret@a.example/c [0]',
      ...opened,
    ]);
    for (const request of followed.requests.slice(1))
      expect(fieldOf(request, 'Authorization')).toBe(basic('user:secret'));
  });

  test('ignores the user in a location on another server, and in later ones', async () => {
    const followed = follow('ws://user:secret@a.example/', ['ws://other:one@b.example/', '/c']);
    await followed.closed;
    for (const request of followed.requests.slice(1)) expect(fieldOf(request, 'Authorization')).toBeUndefined();
  });

  test('removes credentials after the listener was removed', async () => {
    const followed = follow('ws://a.example/', ['ws://b.example/', 'ws://b.example/c'], { headers: secrets });
    followed.socket.once('redirect', () => {});
    await followed.closed;
    expect(fieldOf(followed.requests[1]!, 'Cookie')).toBe('session=secret');
    expect(told(followed)).toEqual({ authorization: undefined, cookie: undefined, host: 'b.example' });
  });
});
