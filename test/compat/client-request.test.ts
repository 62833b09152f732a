import type { ClientRequest } from 'node:http';
import { describe, expect, test } from 'vitest';
import type { WebSocket } from '../../src/index.ts';
import { implementations } from '../support/peers.ts';
import { agree, fieldOf, memoryServer, server, switching } from '../support/raw-server.ts';
import { settle } from '../support/until.ts';
import { client, described, thrownBy, watch, watchUntilOpen } from '../support/watch.ts';

type Options = NonNullable<Parameters<typeof client>[2]>;

const address = 'ws://example.com/';
const invalidSubprotocol = 'SyntaxError: An invalid or duplicated subprotocol was specified';

describe.each(Object.entries(implementations))('the request of a client of %s', (_name, by) => {
  /** Returns the request for these options, without the first line and the random key. */
  async function linesFor(options: Options, to = address): Promise<string[]> {
    const { requests, createConnection } = memoryServer();
    await watchUntilOpen(client(by, to, { createConnection, ...options })).closed;
    const lines = requests[0]!.split('\r\n').slice(1, -2);
    return lines.map((line) => line.replace(/^(Sec-WebSocket-Key): [+/\w]{22}==$/, '$1: …'));
  }

  /** Returns the values of the fields sent, by name in lower case. */
  async function fieldsFor(options: Options, to?: string): Promise<Record<string, string[]>> {
    const fields: Record<string, string[]> = {};
    for (const line of await linesFor(options, to)) {
      const [name, value] = line.split(': ', 2) as [string, string];
      const field = name.toLowerCase();
      fields[field] = [...(fields[field] ?? []), value];
    }
    return fields;
  }

  const always = {
    'sec-websocket-version': ['13'],
    'sec-websocket-key': ['…'],
    connection: ['Upgrade'],
    upgrade: ['websocket'],
    host: ['example.com'],
  };

  test('is a GET of HTTP/1.1 that ends with the fields of the handshake and the Host', async () => {
    const { requests, createConnection } = memoryServer();
    await watchUntilOpen(client(by, address, { createConnection })).closed;
    expect(requests[0]).toMatch(/^GET \/ HTTP\/1\.1\r\n(?:[\w-]+: [^\r\n]+\r\n)+\r\n$/);
    expect(await linesFor({})).toEqual([
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: …',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Host: example.com',
    ]);
  });

  test('has a new key each time', async () => {
    const { requests, createConnection } = memoryServer();
    for (let round = 0; round < 3; round++) await watchUntilOpen(client(by, address, { createConnection })).closed;
    expect(new Set(requests.map((request) => fieldOf(request, 'Sec-WebSocket-Key'))).size).toBe(3);
  });

  test('is sent to the address, whatever the options say', async () => {
    const { requests, options, createConnection } = memoryServer();
    const elsewhere = {
      host: 'nowhere.invalid',
      hostname: 'nowhere.invalid',
      port: 1,
      path: '/there',
      method: 'POST',
      protocol: 'https:',
      socketPath: '/nowhere',
      timeout: 1,
    };
    const socket = client(by, `${address}here`, { createConnection, ...elsewhere });
    const watched = watch(socket);
    await settle();
    expect(socket.readyState).toBe(1);
    socket.terminate();
    expect(await watched.closed).toEqual(['upgrade 101 [0]', 'open [1]', 'close 1006 "" [3]']);
    expect(requests[0]).toMatch(/^GET \/here HTTP\/1\.1\r\n/);
    expect(fieldOf(requests[0]!, 'Host')).toBe('example.com');
    expect(options[0]).toMatchObject({ host: 'example.com', port: 80 });
  });

  test('does not change its options, which may be changed afterwards', async () => {
    const { requests, createConnection } = memoryServer(({ accept }) =>
      switching(accept, 'Sec-WebSocket-Protocol: a\r\n'),
    );
    const protocols = Object.freeze(['a', 'b']);
    const headers = Object.freeze({ 'X-Mine': 'yes' });
    const options = Object.freeze({ perMessageDeflate: false, auth: 'a:b', headers, protocols, createConnection });
    const socket = new by.WebSocket('ws://user:secret@example.com/', options as object);
    expect(await watchUntilOpen(socket).closed).toEqual(['upgrade 101 [0]', 'open [1]', 'close 1006 "" [3]']);
    expect(fieldOf(requests[0]!, 'X-Mine')).toBe('yes');
  });

  describe('offers the subprotocols', () => {
    const create = (...parameters: unknown[]): WebSocket =>
      Reflect.construct(by.WebSocket, [address, ...parameters]) as WebSocket;

    /** Returns the field for these parameters of the constructor, behind the address; or its error. */
    async function offerOf(...parameters: unknown[]): Promise<string | undefined> {
      const { requests, createConnection } = memoryServer();
      const last = parameters.at(-1);
      const options = typeof last === 'object' && !Array.isArray(last) ? parameters.pop() : {};
      const socket = create(...parameters, { perMessageDeflate: false, createConnection, ...(options as object) });
      socket.on('error', () => {});
      await watchUntilOpen(socket).closed;
      return fieldOf(requests[0]!, 'Sec-WebSocket-Protocol');
    }

    test.each<[parameters: unknown[], offer: string | undefined]>([
      [['a'], 'a'],
      [[['a']], 'a'],
      [[['b', 'a', 'A']], 'b,a,A'],
      [[["a!#$%&'*+-.^_`|~9"]], "a!#$%&'*+-.^_`|~9"],
      [[[]], undefined],
      [[undefined], undefined],
      [[], undefined],
      [[{ protocols: 'a' }], 'a'],
      [[{ protocols: ['a', 'b'] }], 'a,b'],
      [[{ protocols: [] }], undefined],
      [[{ protocols: undefined }], undefined],
      [[undefined, { protocols: ['b'] }], 'b'],
      [['a', { protocols: ['b'] }], 'a'],
      [[[], { protocols: ['b'] }], undefined],
    ])('of %j: %j', async (parameters, offer) => {
      expect(await offerOf(...parameters)).toBe(offer);
    });

    test.each([
      '',
      'a b',
      'a,b',
      'é',
      'a\r\nX: y',
      5,
      true,
      [''],
      [null],
      [undefined],
      [['a']],
      ['a', 'a'],
      ['a', 'b', 'a'],
      ['a', 1],
    ])('but refuses %j', (protocols) => {
      expect(thrownBy(() => create(protocols, {}))).toBe(invalidSubprotocol);
      expect(thrownBy(() => create(undefined, { protocols }))).toBe(invalidSubprotocol);
    });

    test('but refuses null in place of a list', () => {
      expect(thrownBy(() => create(null, {}))).toBe(invalidSubprotocol);
    });
  });

  test.each([8, 13])('supports version %i', async (protocolVersion) => {
    const version = String(protocolVersion);
    expect(await fieldsFor({ protocolVersion })).toEqual({ ...always, 'sec-websocket-version': [version] });
  });

  test.each([7, 0, 14, Number.NaN, '13', '8', '', null, true, [13]])('refuses version %j', (protocolVersion) => {
    expect(thrownBy(() => client(by, address, { protocolVersion: protocolVersion as number }))).toBe(
      `RangeError: Unsupported protocol version: ${protocolVersion} (supported versions: 8, 13)`,
    );
  });

  test('has the origin in the field of the protocol version', async () => {
    const origin = 'http://example.org';
    expect(await fieldsFor({ origin })).toEqual({ ...always, origin: [origin] });
    expect(await fieldsFor({ origin, protocolVersion: 8 })).toEqual({
      ...always,
      'sec-websocket-version': ['8'],
      'sec-websocket-origin': [origin],
    });
    for (const none of ['', undefined]) expect(await fieldsFor({ origin: none })).toEqual(always);
  });

  describe('has the header fields of the application', () => {
    const all: [title: string, headers: Record<string, unknown>, expected: Record<string, string[] | undefined>][] = [
      ['a text', { 'X-Mine': 'yes' }, { 'x-mine': ['yes'] }],
      ['an empty text', { 'X-Mine': '' }, { 'x-mine': [''] }],
      ['a number', { 'X-Mine': 5 }, { 'x-mine': ['5'] }],
      ['null', { 'X-Mine': null }, { 'x-mine': ['null'] }],
      ['a boolean', { 'X-Mine': true }, { 'x-mine': ['true'] }],
      ['several values', { 'x-mine': ['1', '2'] }, { 'x-mine': ['1', '2'] }],
      ['cookies', { Cookie: ['a=b', 'c=d'] }, { cookie: ['a=b; c=d'] }],
      ['Latin-1', { 'X-Mine': 'é' }, { 'x-mine': ['é'] }],
      ['a name in two cases', { 'X-Mine': 'a', 'x-mine': 'b' }, { 'x-mine': ['b'] }],
      ['a Host', { hOST: 'example.org:99' }, { host: ['example.org:99'] }],
      ['an Authorization', { authorization: 'Bearer x' }, { authorization: ['Bearer x'] }],
      ['an Origin', { Origin: 'http://x' }, { origin: ['http://x'] }],
      ['subprotocols', { 'sec-websocket-protocol': 'x' }, { 'sec-websocket-protocol': ['x'] }],
      ['extensions', { 'Sec-WebSocket-Extensions': 'x' }, { 'sec-websocket-extensions': ['x'] }],
      ['an inherited field', Object.create({ 'X-Mine': 'yes' }), { 'x-mine': undefined }],
    ];

    test.each(all)('%s', async (_title, headers, expected) => {
      expect(await fieldsFor({ headers: headers as Record<string, string> })).toEqual({ ...always, ...expected });
    });

    // ws sends it, although the request has no body.
    test('except an Expect, in goodwire', async () => {
      const fields = await fieldsFor({ headers: { Expect: '100-continue' } });
      expect(fields).toEqual(by === implementations.ws ? { ...always, expect: ['100-continue'] } : always);
    });

    test.each(['Sec-WebSocket-Key', 'sec-websocket-version', 'CONNECTION', 'Upgrade'])(
      'except that it cannot replace %s',
      async (name) => {
        expect(await fieldsFor({ headers: { [name]: 'close' } })).toEqual(always);
      },
    );

    test('except if the options set the same field', async () => {
      const headers = { ORIGIN: 'http://x', 'sec-websocket-protocol': 'x' };
      const { closed } = watch(
        client(by, address, { createConnection: memoryServer().createConnection, headers, protocols: ['a'] }),
      );
      // The server in memory chooses no subprotocol.
      expect((await closed)[1]).toBe('error Error: Server sent no subprotocol [2]');
      const fields = await fieldsFor({ headers, protocols: ['a'], origin: 'http://example.org' });
      expect(fields).toEqual({ ...always, origin: ['http://example.org'], 'sec-websocket-protocol': ['a'] });
    });

    test.each([undefined, null, false, 0, '', {}])('ignores %j', async (headers) => {
      expect(await fieldsFor({ headers: headers as undefined })).toEqual(always);
    });

    test.each([
      [
        'a value with a line break',
        { 'X-Mine': 'a\r\nX-Evil: b' },
        'Invalid character in header content ["X-Mine"] (ERR_INVALID_CHAR)',
      ],
      [
        'a value beyond Latin-1',
        { 'X-Mine': '\u0100' },
        'Invalid character in header content ["X-Mine"] (ERR_INVALID_CHAR)',
      ],
      [
        'no value',
        { 'X-Mine': undefined },
        'Invalid value "undefined" for header "X-Mine" (ERR_HTTP_INVALID_HEADER_VALUE)',
      ],
      [
        'a name with a space',
        { 'X Mine': 'a' },
        'Header name must be a valid HTTP token ["X Mine"] (ERR_INVALID_HTTP_TOKEN)',
      ],
      ['no name', { '': 'a' }, 'Header name must be a valid HTTP token [""] (ERR_INVALID_HTTP_TOKEN)'],
    ])('and throws for %s', (_title, headers, message) => {
      const { createConnection } = memoryServer();
      const call = () => client(by, address, { createConnection, headers: headers as Record<string, string> });
      expect(thrownBy(call)).toBe(`TypeError: ${message}`);
    });

    test('and throws for an origin with a line break', () => {
      expect(thrownBy(() => client(by, address, { origin: 'a\r\nb' }))).toBe(
        'TypeError: Invalid character in header content ["Origin"] (ERR_INVALID_CHAR)',
      );
    });

    test('and names the code in the text of the error', () => {
      let text = '';
      try {
        client(by, address, { headers: { 'X Mine': 'a' } });
      } catch (error) {
        text = String(error);
      }
      expect(text).toBe('TypeError [ERR_INVALID_HTTP_TOKEN]: Header name must be a valid HTTP token ["X Mine"]');
    });

    test('uses the defaults of node:http', async () => {
      expect(await fieldsFor({ setHost: false })).toEqual({ ...always, host: undefined });
      expect(await fieldsFor({ defaultPort: 81 })).toEqual({ ...always, host: ['example.com:80'] });
      const joined = { headers: { 'X-Mine': ['1', '2'] }, uniqueHeaders: ['x-mine'] };
      expect(await fieldsFor(joined)).toEqual({ ...always, 'x-mine': ['1; 2'] });
    });
  });

  test.each<[title: string, address: string, options: Options, credentials: string | undefined]>([
    ['the option auth', address, { auth: 'user:secret' }, 'user:secret'],
    ['an auth without a password', address, { auth: 'user' }, 'user'],
    ['an empty auth', address, { auth: '' }, undefined],
    ['the address before auth', 'ws://user:secret@example.com/', { auth: 'other:one' }, 'user:secret'],
    ['a header before auth', address, { auth: 'a:b', headers: { Authorization: 'Basic bWluZQ==' } }, 'mine'],
    ['a header before the address', 'ws://a:b@example.com', { headers: { authorization: 'Basic bWluZQ==' } }, 'mine'],
  ])('sends Basic authentication for %s', async (_title, to, options, credentials) => {
    const { authorization } = await fieldsFor(options, to);
    const expected = credentials && [`Basic ${Buffer.from(credentials).toString('base64')}`];
    expect(authorization).toEqual(expected);
  });
});

describe.each(Object.entries(implementations))('finishRequest of a client of %s', (_name, by) => {
  test('is called with the unsent request and the WebSocket, and may end the request at any time', async () => {
    const raw = await server(agree);
    const given: unknown[] = [];
    const finishRequest = function (this: unknown, ...parameters: [ClientRequest, WebSocket]) {
      const [request, socket] = parameters;
      given.push(parameters.length, request.path, request.headersSent, request.getHeader('upgrade'));
      given.push(socket.readyState, socket.url, socket.protocol, socket.bufferedAmount);
      given.push((this as Options).finishRequest === finishRequest);
      setImmediate(() => {
        request.setHeader('X-Late', 'yes');
        request.end();
      });
    };
    const socket = client(by, `ws://127.0.0.1:${raw.port}/a`, { finishRequest: finishRequest as never });
    const address = `ws://127.0.0.1:${raw.port}/a`;
    expect(given).toEqual([2, '/a', false, 'websocket', 0, address, '', 0, true]);
    expect(raw.requests).toEqual([]);
    expect(await watchUntilOpen(socket).closed).toEqual(['upgrade 101 [0]', 'open [1]', 'close 1006 "" [3]']);
    expect(fieldOf(raw.requests[0]!.text, 'X-Late')).toBe('yes');
  });

  test('is called with an instance of the constructed class', async () => {
    class Mine extends by.WebSocket {}
    let isMine = false;
    const { createConnection } = memoryServer();
    const socket = new Mine(address, {
      createConnection,
      finishRequest(request, websocket) {
        isMine = websocket instanceof Mine;
        request.end();
      },
    });
    await watchUntilOpen(socket).closed;
    expect(isMine).toBe(true);
  });

  test('may throw, out of the constructor', () => {
    const mistake = new Error('mine');
    const { createConnection } = memoryServer();
    const call = () =>
      client(by, address, {
        createConnection,
        finishRequest(request, socket) {
          socket.on('error', () => {});
          request.end();
          throw mistake;
        },
      });
    expect(call).toThrow(mistake);
  });

  test('must be a function', () => {
    const { createConnection } = memoryServer();
    const call = () => client(by, address, { createConnection, finishRequest: 5 as never });
    expect(thrownBy(call)).toMatch(/^TypeError: .*finishRequest is not a function$/);
  });

  test('may destroy the request', async () => {
    const socket = client(by, address, { finishRequest: (request) => void request.destroy() });
    expect(await watch(socket).closed).toEqual(['error Error: socket hang up (ECONNRESET) [2]', 'close 1006 "" [3]']);
  });

  test('may destroy the request with an error', async () => {
    const mistake = new RangeError('mine');
    const socket = client(by, address, { finishRequest: (request) => void request.destroy(mistake) });
    expect(await watch(socket).closed).toEqual([`error ${described(mistake)} [2]`, 'close 1006 "" [3]']);
  });
});
