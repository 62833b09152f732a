import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { duplexPair } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { WebSocket } from '../../src/index.ts';
import { closed } from '../support/life.ts';
import { connectPair, implementations, listen } from '../support/peers.ts';

/** Fields that packages read, with their names in ws. */
interface Internals {
  _autoPong: boolean;
  _binaryType: string;
  _bufferedAmount: number;
  _closeCode: number;
  _closeFrameReceived: boolean;
  _closeFrameSent: boolean;
  _closeMessage: Buffer;
  _closeTimeout: number;
  _closeTimer: NodeJS.Timeout | null;
  _errorEmitted: boolean;
  _extensions: object;
  _isServer: boolean;
  _paused: boolean;
  _protocol: string;
  _readyState: number;
  _receiver: {
    _maxPayload: number;
    _maxFragments: number;
    _maxBufferedChunks: number;
    _totalPayloadLength: number;
    _isServer: boolean;
    _binaryType: string;
    _extensions: object;
  } | null;
  _redirects: number | undefined;
  _req: object | null | undefined;
  _sender: {
    sendFrame(list: Buffer[], callback?: (error?: Error) => void): void;
    send(data: unknown, options: object, callback?: () => void): void;
    dispatch(data: Buffer, compress: boolean, options: object, callback?: () => void): void;
    ping(data: unknown, mask: boolean, callback?: () => void): void;
    pong(data: unknown, mask: boolean, callback?: () => void): void;
    close(code: number, data: string, mask: boolean, callback?: () => void): void;
  } | null;
  _socket: (Duplex & { remoteAddress?: string; unref(): void }) | null;
  _url: string | undefined;
}

const inside = (socket: WebSocket) => socket as unknown as Internals;

/** Returns the name of the value's class; null and undefined unchanged. */
const classOf = (value: object | null | undefined) => (value ? value.constructor.name : value);

/** Returns the comparable fields of a socket. */
function fields(socket: WebSocket): Record<string, unknown> {
  const is = inside(socket);
  return {
    _autoPong: is._autoPong,
    _binaryType: is._binaryType,
    _bufferedAmount: is._bufferedAmount ?? 0,
    _closeCode: is._closeCode,
    _closeFrameReceived: is._closeFrameReceived,
    _closeFrameSent: is._closeFrameSent,
    _closeMessage: String(is._closeMessage),
    _closeTimeout: is._closeTimeout,
    _errorEmitted: is._errorEmitted,
    _extensions: { ...is._extensions },
    _isServer: is._isServer,
    _paused: is._paused,
    _protocol: is._protocol,
    _readyState: is._readyState,
    _receiver: is._receiver !== null,
    _redirects: is._redirects,
    _req: classOf(is._req),
    _sender: is._sender !== null,
    _socket: classOf(is._socket),
    _url: is._url,
  };
}

const fresh = {
  _autoPong: true,
  _binaryType: 'nodebuffer',
  _bufferedAmount: 0,
  _closeCode: 1006,
  _closeFrameReceived: false,
  _closeFrameSent: false,
  _closeMessage: '',
  _closeTimeout: 30_000,
  _errorEmitted: false,
  _extensions: {},
  _isServer: false,
  _paused: false,
  _protocol: '',
  _readyState: 0,
  _receiver: false,
  _redirects: 0,
  _req: 'ClientRequest',
  _sender: false,
  _socket: null,
};

describe.each(Object.entries(implementations))(
  'internals of a WebSocket of %s, as other packages use them:',
  (_name, by) => {
    test('are the same in each state', async () => {
      await using peers = await listen(by);
      const accepted = once(peers.server, 'connection') as Promise<[WebSocket]>;
      const client = peers.connect(by);
      const connecting = { ...fresh, _url: peers.url };
      expect(fields(client)).toEqual(connecting);
      await once(client, 'open');
      const [served] = await accepted;
      const open = { ...connecting, _readyState: 1, _receiver: true, _sender: true, _req: null, _socket: 'Socket' };
      const theirs = { ...open, _isServer: true, _req: undefined, _redirects: undefined, _url: undefined };
      expect(fields(client)).toEqual(open);
      expect(fields(served)).toEqual(theirs);

      client.binaryType = 'fragments';
      client.pause();
      expect(fields(client)).toEqual({ ...open, _binaryType: 'fragments', _paused: true });
      client.resume();
      client.binaryType = 'nodebuffer';

      expect(inside(client)._closeTimer).toBeNull();
      const ends = [once(client, 'close'), once(served, 'close')];
      client.close(3001, 'bye');
      expect(inside(client)._readyState).toBe(2);
      expect(inside(client)._closeTimer).not.toBeNull();
      expect(inside(client)._closeFrameReceived).toBe(false);
      await Promise.all(ends);
      const theEnd = {
        _closeCode: 3001,
        _closeMessage: 'bye',
        _closeFrameReceived: true,
        _closeFrameSent: true,
        _readyState: 3,
      };
      expect(fields(client)).toEqual({ ...open, ...theEnd });
      expect(fields(served)).toEqual({ ...theirs, ...theEnd });
    });

    test('show that an error was emitted, and that no close frame was sent, if it could not connect', async () => {
      const socket = new by.WebSocket('ws://127.0.0.1:1/');
      const seen: unknown[] = [];
      socket.on('error', () => seen.push(inside(socket)._errorEmitted, inside(socket)._req));
      await closed(socket);
      expect(seen).toEqual([true, null]);
      expect(fields(socket)).toEqual({
        ...fresh,
        _errorEmitted: true,
        _readyState: 3,
        _req: null,
        _url: 'ws://127.0.0.1:1/',
      });
    });

    test('show the close frames exchanged if the peer violated the protocol or vanished', async () => {
      await using peers = await listen(by);
      const first = await connectPair(peers, by);
      first.client.on('error', () => {});
      inside(first.served)._socket?.write(Buffer.from([0x83, 0]));
      await closed(first.client);
      expect(inside(first.client)._closeFrameSent).toBe(true);
      expect(inside(first.client)._errorEmitted).toBe(true);

      const second = await connectPair(peers, by);
      second.served.terminate();
      await once(second.client, 'close');
      expect(inside(second.client)._closeFrameSent).toBe(false);
      expect(inside(second.client)._closeFrameReceived).toBe(false);
      expect(inside(second.client)._closeCode).toBe(1006);
    });

    test('include the stream below, also in the close event and after it', async () => {
      await using peers = await listen(by);
      const { client, served } = await connectPair(peers, by);
      const stream = inside(served)._socket;
      expect(stream?.remoteAddress).toBe('127.0.0.1');
      inside(client)._socket?.unref();
      const inTheEvent = new Promise((resolve) => served.on('close', () => resolve(inside(served)._socket)));
      client.close();
      expect(await inTheEvent).toBe(stream);
      expect(inside(served)._socket).toBe(stream);
    });

    test('send encoded frames, in the order of everything sent, and call the callback', async () => {
      await using peers = await listen(by);
      const { client, served } = await connectPair(peers, by);
      const messages: string[] = [];
      client.on('message', (data) => messages.push(String(data)));
      client.on('ping', (data) => messages.push(`ping ${data}`));
      client.on('pong', (data) => messages.push(`pong ${data}`));
      const sender = inside(served)._sender;
      expect(inside(served)._sender).toBe(sender);
      served.send('before');
      const sent = new Promise<unknown>((resolve) =>
        sender?.sendFrame([Buffer.from([0x81, 4]), Buffer.from('made')], resolve),
      );
      served.send('after');
      sender?.send('by the sender', { binary: false, compress: false, fin: true, mask: false });
      sender?.ping('1', false);
      sender?.pong('2', false);
      expect((await sent) ?? undefined).toBeUndefined();
      const end = once(client, 'close');
      await new Promise<void>((resolve) => sender?.close(3000, 'so', false, resolve));
      expect((await end)[0]).toBe(3000);
      expect(messages).toEqual(['before', 'made', 'after', 'by the sender', 'ping 1', 'pong 2']);
    });

    test('call the callback of frames that are too late', async () => {
      await using peers = await listen(by);
      const { client, served } = await connectPair(peers, by);
      const sender = inside(served)._sender;
      client.terminate();
      await closed(served);
      const error = await new Promise<Error | undefined>((resolve) =>
        sender?.sendFrame([Buffer.from([0x81, 0])], resolve),
      );
      expect(error).toBeInstanceOf(Error);
      sender?.sendFrame([Buffer.from([0x81, 0])]);
    });

    test('raise the limit of one socket if its _maxPayload is set, and of no other', async () => {
      await using peers = await listen(by, 'tcp', { maxPayload: 10 });
      const known = await connectPair(peers, by);
      const unknown = await connectPair(peers, by);
      const receiver = inside(known.served)._receiver;
      expect(inside(known.served)._receiver).toBe(receiver);
      expect(receiver?._maxPayload).toBe(10);
      expect(receiver?._isServer).toBe(true);
      expect({ ...receiver?._extensions }).toEqual({});
      const messages = once(known.served, 'message');
      known.client.send('a');
      await messages;
      if (receiver) receiver._maxPayload = 1000;
      expect(receiver?._maxPayload).toBe(1000);
      const large = once(known.served, 'message');
      known.client.send('b'.repeat(1000));
      expect(String((await large)[0])).toBe('b'.repeat(1000));
      unknown.served.on('error', () => {});
      unknown.client.send('b'.repeat(11));
      expect((await once(unknown.client, 'close'))[0]).toBe(1009);
    });

    test('tell the limits of a receiver, and the length so far of a fragmented message', async () => {
      const limits = { maxPayload: 100, maxFragments: 7, maxBufferedChunks: 9 };
      await using peers = await listen(by, 'tcp', limits);
      const { client, served } = await connectPair(peers, by, limits);
      for (const { _receiver } of [inside(client), inside(served)]) {
        expect(_receiver).toMatchObject({
          _maxPayload: 100,
          _maxFragments: 7,
          _maxBufferedChunks: 9,
          _totalPayloadLength: 0,
        });
      }
      const pinged = once(served, 'ping');
      client.send('abc', { fin: false });
      client.ping();
      await pinged;
      expect(inside(served)._receiver?._totalPayloadLength).toBe(3);
      const lengths: unknown[] = [];
      served.on('message', (data) => lengths.push(String(data), inside(served)._receiver?._totalPayloadLength));
      const told = once(served, 'message');
      client.send('de', { fin: true });
      await told;
      expect(lengths).toEqual(['abcde', 0]);
    });

    test('dispatch frames in the order of everything sent', async () => {
      await using peers = await listen(by);
      const { client, served } = await connectPair(peers, by);
      const messages: string[] = [];
      client.on('message', (data, isBinary) => messages.push(`${isBinary ? 'binary' : 'text'} ${data}`));
      client.on('ping', (data) => messages.push(`ping ${data}`));
      const frame = { fin: true, mask: false, readOnly: false, rsv1: false };
      const sender = inside(served)._sender;
      served.send('before');
      sender?.dispatch(Buffer.from('a'), false, { ...frame, opcode: 1 });
      sender?.dispatch(Buffer.from('b'), false, { ...frame, opcode: 2 });
      await new Promise<void>((resolve) =>
        sender?.dispatch(Buffer.from('c'), false, { ...frame, opcode: 9 }, () => resolve()),
      );
      served.close();
      await once(client, 'close');
      expect(messages).toEqual(['text before', 'text a', 'binary b', 'ping c']);
    });

    test('show a stream that is not paused in the tick of resume()', async () => {
      await using peers = await listen(by);
      const { client, served } = await connectPair(peers, by);
      const stream = inside(served)._socket as Duplex;
      served.pause();
      expect([served.isPaused, stream.isPaused()]).toEqual([true, true]);
      served.resume();
      expect([served.isPaused, stream.isPaused()]).toEqual([false, false]);
      // Also inside an event, where the rest of the chunk waits for the next tick.
      const messages: string[] = [];
      const states: boolean[] = [];
      served.on('message', (data) => {
        messages.push(String(data));
        served.pause();
        served.resume();
        states.push(stream.isPaused());
      });
      for (let i = 0; i < 3; i++) client.send(String(i));
      client.close();
      await once(served, 'close');
      expect(messages).toEqual(['0', '1', '2']);
      expect(states).toEqual([false, false, false]);
    });

    test('number the states of a server', async () => {
      await using peers = await listen(by);
      const state = () => (peers.server as unknown as { _state: number })._state;
      expect(state()).toBe(0);
      const end = once(peers.server, 'close');
      peers.server.close();
      expect(state()).toBe(1);
      await end;
      expect(state()).toBe(2);
    });

    test.each([
      ['one too many', '/again', { maxRedirects: 1 }, 2],
      ['to an invalid address', 'ws://', {}, 1],
    ])('count a redirect that is not followed: %s', async (_title, location, options, count) => {
      await using peers = await listen(by);
      peers.httpServer.removeAllListeners('upgrade').on('upgrade', (_request, socket) => {
        socket.end(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`);
      });
      const client = new by.WebSocket(peers.url, { followRedirects: true, ...options });
      client.on('error', () => {});
      await closed(client);
      expect(inside(client)._redirects).toBe(count);
    });

    test('stop the answers to pings of one socket if its _autoPong is cleared', async () => {
      await using peers = await listen(by);
      const { client, served } = await connectPair(peers, by);
      const told = once(served, 'message');
      // Also inside an event.
      served.once('message', () => {
        inside(served)._autoPong = false;
      });
      client.send('no more pongs');
      await told;
      expect(inside(served)._autoPong).toBe(false);
      const pongs: string[] = [];
      client.on('pong', (data) => pongs.push(String(data)));
      const pinged = once(served, 'ping');
      client.ping('not answered');
      await pinged;
      served.send('behind');
      await once(client, 'message');
      expect(pongs).toEqual([]);
    });

    test('wait for _closeTimeout', async () => {
      await using peers = await listen(by);
      const { client, served } = await connectPair(peers, by);
      served.pause();
      inside(client)._closeTimeout = 20;
      expect(inside(client)._closeTimeout).toBe(20);
      client.close();
      expect((await once(client, 'close'))[0]).toBe(1006);
    });

    test('make a client of a socket without a connection, as @fastify/websocket does', async () => {
      const [ours, theirs] = duplexPair();
      const client = new by.WebSocket(null, undefined, { isServer: false });
      inside(client)._isServer = true;
      inside(client)._isServer = false;
      expect(inside(client)._isServer).toBe(false);
      const served = new by.WebSocket(null, undefined, {});
      expect(inside(served)._isServer).toBe(true);
      client.setSocket(ours, Buffer.alloc(0), { maxPayload: 0 });
      served.setSocket(theirs, Buffer.alloc(0), { maxPayload: 0 });
      expect(inside(client)._socket).toBe(ours);
      const messages = [once(client, 'message'), once(served, 'message')] as const;
      client.send('from the client');
      served.send('from the server');
      expect((await Promise.all(messages)).map(([data]) => String(data))).toEqual([
        'from the server',
        'from the client',
      ]);
      client.terminate();
      served.terminate();
    });

    test('leave sockets extensible, without upgradeReq', async () => {
      await using peers = await listen(by);
      const { served } = await connectPair(peers, by);
      expect('upgradeReq' in served).toBe(false);
      Object.assign(served, { isAlive: true, upgradeReq: {} });
      expect((served as unknown as { isAlive: boolean }).isAlive).toBe(true);
      inside(served)._readyState = 2;
      expect(served.readyState).toBe(2);
      inside(served)._readyState = 1;
    });

    test('count the redirects that a client has followed', async () => {
      await using peers = await listen(by);
      peers.httpServer.prependListener('upgrade', (request, socket) => {
        if (request.url === '/old') socket.end('HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n');
      });
      peers.server.shouldHandle = (request) => request.url !== '/old';
      const client = new by.WebSocket(`${peers.url}old`, { followRedirects: true });
      await once(client, 'open');
      expect(inside(client)._redirects).toBe(1);
      client.terminate();
    });
  },
);

describe.each(Object.entries(implementations))('a WebSocket of %s behind something else', (_name, by) => {
  test.each<[string, (socket: WebSocket) => WebSocket]>([
    ['a Proxy', (socket) => new Proxy(socket, {})],
    ['an object of which it is the prototype', (socket) => Object.create(socket)],
  ])('is used through %s', async (_title, wrap) => {
    await using peers = await listen(by);
    const { client, served } = await connectPair(peers, by);
    const wrapped = wrap(served);
    const messages: string[] = [];
    client.on('message', (data) => messages.push(String(data)));
    const received = new Promise((resolve) => wrapped.on('message', (data) => resolve(String(data))));
    const pinged = once(client, 'ping');
    wrapped.send('through it');
    wrapped.ping('p');
    wrapped.pause();
    expect([wrapped.isPaused, wrapped.readyState, wrapped.protocol, wrapped.bufferedAmount >= 0]).toEqual([
      true,
      1,
      '',
      true,
    ]);
    wrapped.resume();
    await pinged;
    client.send('back');
    expect(await received).toBe('back');
    expect(messages).toEqual(['through it']);
    const end = closed(client);
    wrapped.close(1000);
    await end;
  });

  test('has a server that may be wrapped in a Proxy, too', async () => {
    const server = new Proxy(new by.WebSocketServer({ port: 0, host: '127.0.0.1' }), {});
    await once(server, 'listening');
    expect(server.address()).toMatchObject({ address: '127.0.0.1' });
    expect(server.shouldHandle({ url: '/' } as never)).toBe(true);
    await new Promise((resolve) => server.close(resolve));
  });
});

describe.each(Object.entries(implementations))(
  'internals of a WebSocketServer of %s, as other packages use them:',
  (_name, by) => {
    test('include its HTTP server', async () => {
      await using peers = await listen(by);
      const server = peers.server as unknown as { _server: unknown };
      expect(server._server).toBe(peers.httpServer);
      const apart = new by.WebSocketServer({ noServer: true }) as unknown as { _server?: unknown };
      expect(apart._server ?? null).toBeNull();
      await new Promise((resolve) => peers.server.close(resolve));
      expect(server._server).toBeNull();
    });
  },
);
