import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { certificate } from '../support/certificate.ts';
import { implementations } from '../support/peers.ts';
import { portOf } from '../support/port-of.ts';
import { agree, memoryServer, type RawServer, server, targetOf } from '../support/raw-server.ts';
import { settle } from '../support/until.ts';
import { client, thrownBy, watch, watchUntilOpen } from '../support/watch.ts';

type Options = NonNullable<Parameters<typeof client>[2]>;
type Delivery = (error: Error | null, stream?: Duplex) => void;
/** Loose type of `createConnection`, because most tests deviate from the types of `node:net`. */
type CreateConnection = (options: http.ClientRequestArgs, deliver: Delivery) => unknown;

const opened = ['upgrade 101 [0]', 'open [1]', 'close 1006 "" [3]'];
const failed = (error: string) => [`error ${error} [2]`, 'close 1006 "" [3]'];
const url = ({ port }: RawServer, scheme = 'ws') => `${scheme}://127.0.0.1:${port}/`;
const address = 'ws://example.com/';

/** Resolves every name to 127.0.0.1. */
const lookup = ((_name, options, callback) => {
  if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }]);
  else callback(null, '127.0.0.1', 4);
}) as net.LookupFunction;

describe.each(Object.entries(implementations))('createConnection of a client of %s', (_name, by) => {
  const connecting = (to: string, createConnection: CreateConnection | unknown, options: Options = {}) =>
    watchUntilOpen(client(by, to, { createConnection: createConnection as typeof net.connect, ...options }));

  test.each<[title: string, make: (port: number) => CreateConnection]>([
    ['returns the stream', (port) => () => net.connect(port, '127.0.0.1')],
    [
      'passes it to its callback later',
      (port) => (_options, deliver) => {
        const stream = net.connect(port, '127.0.0.1', () => deliver(null, stream));
      },
    ],
    [
      'passes it to its callback at once',
      (port) => (_options, deliver) => deliver(null, net.connect(port, '127.0.0.1')),
    ],
    [
      'does both',
      (port) => (_options, deliver) => {
        const stream = net.connect(port, '127.0.0.1', () => deliver(null, stream));
        return stream;
      },
    ],
    ['is net.connect', () => net.connect as unknown as CreateConnection],
  ])('%s', async (_title, make) => {
    const raw = await server(agree);
    const createConnection = make(raw.port);
    expect(await connecting(url(raw), createConnection).closed).toEqual(opened);
    expect(raw.requests).toHaveLength(1);
  });

  test('is tls.connect, for wss:', async () => {
    const raw = await server(agree, { secure: true });
    const ca = certificate.cert;
    expect(await connecting(url(raw, 'wss'), tls.connect, { ca }).closed).toEqual(opened);
  });

  test.each<[title: string, createConnection: CreateConnection]>([
    ['is passed to its callback later', (_options, deliver) => void setImmediate(deliver, new Error('mine'))],
    ['is passed to its callback at once', (_options, deliver) => deliver(new Error('mine'))],
    [
      'is thrown',
      () => {
        throw new Error('mine');
      },
    ],
    [
      'is emitted by the stream',
      () => new Duplex({ read() {}, write: (_octets, _encoding, done) => done(new Error('mine')) }),
    ],
  ])('reports an error that %s', async (_title, createConnection) => {
    expect(await connecting(address, createConnection).closed).toEqual(failed('Error: mine'));
  });

  test('reports a stream that ends before there is a response', async () => {
    const createConnection = () =>
      new Duplex({
        read() {
          this.push(null);
        },
        write: (_octets, _encoding, done) => done(),
      });
    expect(await connecting(address, createConnection).closed).toEqual(failed('Error: socket hang up (ECONNRESET)'));
  });

  test.each([
    ['ws://example.com/a', { host: 'example.com', port: 80, defaultPort: 80, path: undefined, socketPath: undefined }],
    [
      'wss://example.com/a',
      { host: 'example.com', port: 443, defaultPort: 443, path: undefined, socketPath: undefined },
    ],
    ['wss://[::1]:8443/a', { host: '::1', port: '8443', defaultPort: 443, path: undefined, socketPath: undefined }],
    ['ws+unix:/s:/a', { host: 'localhost', port: 80, defaultPort: 80, path: '/s', socketPath: '/s' }],
  ])('for %s is called with the address and all options', async (to, expected) => {
    const { options, createConnection } = memoryServer();
    const own = { localAddress: '127.0.0.1', family: 4, mine: 'yes' };
    await connecting(to, createConnection, own).closed;
    const common = { method: 'GET', protocol: undefined, hostname: undefined, timeout: undefined };
    expect(options[0]).toMatchObject({ ...own, ...common, ...expected });
    expect(options[0]).not.toHaveProperty('servername');
  });

  test('is called with the options as this, and with a callback', async () => {
    const { createConnection } = memoryServer();
    const given: unknown[] = [];
    await connecting(address, function (this: unknown, ...parameters: [http.ClientRequestArgs, Delivery]) {
      given.push(this === parameters[0], parameters.length, typeof parameters[1]);
      return createConnection(parameters[0]);
    }).closed;
    expect(given).toEqual([true, 2, 'function']);
  });

  test('is not called if there is an agent', async () => {
    const raw = await server(agree);
    const createConnection = () => {
      throw new Error('was asked');
    };
    expect(await connecting(url(raw), createConnection, { agent: new http.Agent() }).closed).toEqual(opened);
  });

  test('is ignored if it is not a function', async () => {
    const raw = await server(agree);
    for (const createConnection of [undefined, null, false, 'x'])
      expect(await connecting(url(raw), createConnection).closed).toEqual(opened);
  });
});

describe.each(Object.entries(implementations))('the agent of a client of %s', (_name, by) => {
  const connecting = (to: string, options: Options) => watchUntilOpen(client(by, to, options));

  test.each([false, undefined, null])('may be %j: no agent', async (agent) => {
    const raw = await server(agree);
    expect(await connecting(url(raw), { agent: agent as undefined }).closed).toEqual(opened);
    expect(raw.connections).toHaveLength(1);
  });

  test('is by default an agent without a pool, so an idle connection of the global agent stays idle', async () => {
    const raw = await server(({ text, accept }) =>
      text.includes('Upgrade') ? agree({ accept }) : 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    );
    const agent = new http.Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    const [response] = await once(http.get({ port: raw.port, host: '127.0.0.1', agent }), 'response');
    await once((response as http.IncomingMessage).resume(), 'end');
    await connecting(url(raw), {}).closed;
    expect(raw.connections).toHaveLength(2);
  });

  test('never gets the connection back', async () => {
    const raw = await server(agree);
    const agent = new http.Agent({ keepAlive: true });
    const socket = client(by, url(raw), { agent });
    await once(socket, 'open');
    await settle();
    expect(Object.keys(agent.sockets)).toEqual([]);
    const ended = once(socket, 'close');
    raw.connections[0]!.end();
    await ended;
    await raw.allClosed();
    expect([Object.keys(agent.sockets), Object.keys(agent.freeSockets)]).toEqual([[], []]);
  });

  test('never gets the connection back if the handshake is refused', async () => {
    const raw = await server(() => 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n');
    const agent = new http.Agent({ keepAlive: true });
    await watch(client(by, url(raw), { agent })).closed;
    await raw.allClosed();
    expect([Object.keys(agent.sockets), Object.keys(agent.freeSockets)]).toEqual([[], []]);
  });

  test.each([
    ['ws', http.Agent, 80],
    ['wss', https.Agent, 443],
  ] as const)(
    'of a %s: the address is passed once, with the request and the options of the connection',
    async (scheme, Agent, defaultPort) => {
      const raw = await server(agree, { secure: scheme === 'wss' });
      const asked: unknown[] = [];
      class Asked extends Agent {
        addRequest(request: http.ClientRequest, options: http.ClientRequestArgs) {
          const { path, protocol, host, method } = request;
          asked.push({ path, protocol, host, method, fields: request.getHeaderNames().sort() }, options);
          // Not in the types of Node, but agents override it.
          (Agent.prototype as unknown as { addRequest: Asked['addRequest'] }).addRequest.call(this, request, options);
        }
      }
      const agent = new Asked();
      const to = `${scheme}://127.0.0.1:${raw.port}/a?b`;
      expect(await connecting(to, { agent: agent as never, ca: certificate.cert }).closed).toEqual(opened);
      expect(asked).toEqual([
        {
          path: '/a?b',
          protocol: scheme === 'wss' ? 'https:' : 'http:',
          host: '127.0.0.1',
          method: 'GET',
          fields: ['connection', 'host', 'sec-websocket-key', 'sec-websocket-version', 'upgrade'],
        },
        expect.objectContaining({
          agent,
          host: '127.0.0.1',
          port: String(raw.port),
          defaultPort,
          path: '/a?b',
          method: 'GET',
        }),
      ]);
      expect(Object.getPrototypeOf((asked[1] as http.ClientRequestArgs).headers)).toBe(Object.prototype);
    },
  );

  test('creates the connection, and is called with the address', async () => {
    const path = join(tmpdir(), `goodwire-${randomUUID()}.sock`);
    await server(agree, { path });
    const given: unknown[] = [];
    class Making extends http.Agent {
      override createConnection(options: http.ClientRequestArgs, callback: Delivery) {
        given.push(options, typeof callback);
        return http.Agent.prototype.createConnection.call(this, options, callback as never);
      }
    }
    expect(await connecting(`ws+unix:${path}:/a`, { agent: new Making() }).closed).toEqual(opened);
    const where = { path, socketPath: path, host: 'localhost', port: 80, servername: 'localhost' };
    expect(given).toEqual([expect.objectContaining(where), 'function']);
  });

  test('needs only addRequest, and may pass any Duplex to the request', async () => {
    const { requests, createConnection } = memoryServer();
    const agent = {
      addRequest: (request: http.ClientRequest) => request.onSocket(createConnection({ port: 80 }) as net.Socket),
    };
    expect(await connecting(`${address}a`, { agent: agent as never }).closed).toEqual(opened);
    expect(targetOf(requests[0]!)).toBe('/a');
  });

  test('may pass an error to the request instead of a socket', async () => {
    const agent = {
      addRequest(request: http.ClientRequest) {
        // The types of Node lack the second parameter.
        (request as unknown as { onSocket(socket: null, error: Error): void }).onSocket(null, new Error('mine'));
      },
    };
    expect(await connecting(address, { agent: agent as never }).closed).toEqual(failed('Error: mine'));
  });

  test('may lack support for the scheme', () => {
    const message = (given: string, expected: string) =>
      `TypeError: Protocol "${given}:" not supported. Expected "${expected}:" (ERR_INVALID_PROTOCOL)`;
    expect(thrownBy(() => client(by, address, { agent: new https.Agent() }))).toBe(message('http', 'https'));
    expect(thrownBy(() => client(by, 'wss://example.com/', { agent: new http.Agent() }))).toBe(
      message('https', 'http'),
    );
  });

  test.each([{}, 'x', 5, true])('may not be %j', (agent) => {
    expect(thrownBy(() => client(by, address, { agent: agent as never }))).toMatch(
      /^TypeError: The "options\.agent" property must be one of Agent-like Object, undefined, or false\. Received .* \(ERR_INVALID_ARG_TYPE\)$/,
    );
  });

  test('may make a tunnel through a proxy', async () => {
    const raw = await server(agree, { secure: true });
    const proxied: (string | undefined)[] = [];
    const proxy = http.createServer().on('connect', (request: http.IncomingMessage, socket: Duplex) => {
      proxied.push(request.url);
      const upstream = net.connect(raw.port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        socket.pipe(upstream).pipe(socket);
      });
      for (const end of [socket, upstream]) end.on('error', () => {});
      onTestFinished(() => void upstream.destroy());
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    onTestFinished(() => void proxy.close());

    class TunnelAgent extends https.Agent {
      override createConnection(options: https.RequestOptions, callback: Delivery) {
        const port = portOf(proxy);
        http
          .request({ host: '127.0.0.1', port, method: 'CONNECT', path: `${options.host}:${options.port}` })
          .on('connect', (_response, socket) =>
            callback(null, tls.connect({ ...(options as tls.ConnectionOptions), socket })),
          )
          .end();
        return undefined;
      }
    }
    const to = `wss://localhost:${raw.port}/`;
    expect(await connecting(to, { agent: new TunnelAgent(), ca: certificate.cert }).closed).toEqual(opened);
    expect(proxied).toEqual([`localhost:${raw.port}`]);
  });
});

describe.each(Object.entries(implementations))('options of node:net for a client of %s', (_name, by) => {
  test('lookup resolves the host name', async () => {
    const raw = await server(agree);
    const names: string[] = [];
    const spied: net.LookupFunction = (name, ...rest) => {
      names.push(name);
      lookup(name, ...rest);
    };
    const socket = client(by, `ws://name.invalid:${raw.port}/`, { lookup: spied });
    expect(await watchUntilOpen(socket).closed).toEqual(opened);
    expect(names).toEqual(['name.invalid']);
    expect(raw.requests[0]!.text).toContain(`Host: name.invalid:${raw.port}\r\n`);
  });

  test.each([4, 6])('family %i and hints are passed to lookup', async (family) => {
    const asked: unknown[] = [];
    const failing = ((_name, options, callback) => {
      asked.push(options);
      callback(Object.assign(new Error('not found'), { code: 'ENOTFOUND' }), '', 4);
    }) as net.LookupFunction;
    const options = { lookup: failing, family, hints: 1, autoSelectFamily: false };
    const { closed } = watch(client(by, 'ws://name.invalid/', options));
    expect(await closed).toEqual(failed('Error: not found (ENOTFOUND)'));
    expect(asked).toEqual([expect.objectContaining({ family, hints: 1 })]);
  });

  test('localAddress is the local address of the connection', async () => {
    const raw = await server(agree);
    const socket = client(by, url(raw), { localAddress: '127.0.0.5' });
    await once(socket, 'open');
    expect(raw.connections[0]!.remoteAddress).toBe('127.0.0.5');
  });
});

describe.each(Object.entries(implementations))('the signal of a client of %s', (_name, by) => {
  test('aborts the attempt, with the error of Node', async () => {
    const raw = await server(() => undefined);
    const controller = new AbortController();
    const socket = client(by, url(raw), { signal: controller.signal });
    const { closed } = watch(socket);
    const told = new Promise<Error>((resolve) => socket.on('error', resolve));
    while (raw.requests.length === 0) await settle();
    controller.abort();
    expect(await told).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', message: 'The operation was aborted' });
    expect(await closed).toEqual(failed('Error: The operation was aborted (ABORT_ERR)'));
    await raw.allClosed();
  });

  test('may be aborted before', async () => {
    const { closed } = watch(client(by, address, { signal: AbortSignal.abort() }));
    expect(await closed).toEqual(failed('Error: The operation was aborted (ABORT_ERR)'));
  });

  test.each([undefined, null, false, 0])('may be %j: no signal', async (signal) => {
    const raw = await server(agree);
    expect(await watchUntilOpen(client(by, url(raw), { signal: signal as undefined })).closed).toEqual(opened);
  });

  test.each([{}, 'x', 5, true, () => {}])('may not be %j', (signal) => {
    expect(thrownBy(() => client(by, address, { signal: signal as never }))).toMatch(
      /^TypeError: .*signal.* must be an .*AbortSignal.* \(ERR_INVALID_ARG_TYPE\)$/,
    );
  });
});

describe.each(Object.entries(implementations))('TLS of a client of %s', (_name, by) => {
  const connecting = (raw: RawServer, options: Options = {}, host = '127.0.0.1') =>
    watchUntilOpen(client(by, `wss://${host}:${raw.port}/`, { lookup, ...options }));

  test.each(['localhost', '127.0.0.1'])('accepts a certificate for %s issued by its ca', async (host) => {
    const raw = await server(agree, { secure: true });
    expect(await connecting(raw, { ca: certificate.cert }, host).closed).toEqual(opened);
    expect(await connecting(raw, { agent: new https.Agent({ ca: certificate.cert }) }, host).closed).toEqual(opened);
  });

  test('refuses a certificate of an unknown issuer', async () => {
    const raw = await server(agree, { secure: true });
    const error = 'Error: self-signed certificate (DEPTH_ZERO_SELF_SIGNED_CERT)';
    expect(await connecting(raw).closed).toEqual(failed(error));
    expect(raw.requests).toEqual([]);
    await raw.allClosed();
  });

  test('accepts it if rejectUnauthorized is false', async () => {
    const raw = await server(agree, { secure: true });
    expect(await connecting(raw, { rejectUnauthorized: false }).closed).toEqual(opened);
  });

  test('refuses a certificate for another name', async () => {
    const raw = await server(agree, { secure: true });
    const { closed } = connecting(raw, { ca: certificate.cert, servername: 'example.com' });
    expect((await closed)[0]).toMatch(
      /^error Error: Hostname\/IP does not match .* \(ERR_TLS_CERT_ALTNAME_INVALID\) \[2\]$/,
    );
    expect(raw.requests).toEqual([]);
  });

  test.each([
    ['an error', new Error('mine'), ['error Error: mine [2]', 'close 1006 "" [3]']],
    ['undefined', undefined, opened],
  ])('calls checkServerIdentity instead, which returns %s', async (_title, verdict, expected) => {
    const raw = await server(agree, { secure: true });
    const checked: unknown[] = [];
    const checkServerIdentity = (host: string, { subject }: tls.PeerCertificate) => {
      checked.push(host, subject.CN);
      return verdict;
    };
    expect(await connecting(raw, { ca: certificate.cert, checkServerIdentity }, 'localhost').closed).toEqual(expected);
    expect(checked).toEqual(['localhost', 'localhost']);
  });

  test.each<[host: string, options: Options, name: string | false]>([
    ['localhost', {}, 'localhost'],
    // An IP address is not a valid server name (RFC 6066 §3).
    ['127.0.0.1', {}, false],
    ['127.0.0.1', { servername: 'example.com' }, 'example.com'],
    ['localhost', { servername: '' }, false],
    ['localhost', { headers: { Host: 'example.com' } }, 'localhost'],
    ['localhost', { agent: new https.Agent(), headers: { Host: 'example.com:9' } }, 'example.com'],
  ])('sends the server name: %s with %j is %j', async (host, options, name) => {
    const raw = await server(agree, { secure: true });
    const names: unknown[] = [];
    raw.listener.on('secureConnection', (socket: tls.TLSSocket & { servername: string | false }) =>
      names.push(socket.servername),
    );
    expect(await connecting(raw, { rejectUnauthorized: false, ...options }, host).closed).toEqual(opened);
    expect(names).toEqual([name]);
  });

  test('fails if only one side uses TLS', async () => {
    const plain = await server(({ socket }) => void socket.destroy() as undefined);
    plain.listener.on('connection', (socket: net.Socket) => socket.end('no TLS, no TLS'));
    const { closed } = watch(client(by, url(plain, 'wss')));
    expect((await closed)[0]).toMatch(/^error Error: .*(?:EPROTO|SSL)/s);

    const secure = await server(agree, { secure: true });
    const told = await watch(client(by, url(secure))).closed;
    expect(told).toHaveLength(2);
    expect(told[0]).toMatch(/^error Error: .* \[2\]$/);
  });
});
