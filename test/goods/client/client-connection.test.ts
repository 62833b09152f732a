import { describe, expect, test } from 'vitest';
import { ClientConnection } from '../../../src/goods/client/client-connection.ts';
import { ConnectionError, GoodsClient } from '../../../src/goods/client.ts';
import { FakeClock, FakeSocket, item, meet, settle, stream } from '../../support/fake-market.ts';

describe('a connection', () => {
  test('that does not agree on the subprotocol is closed, and the client with it', async () => {
    const stage = meet();
    stage.socket.protocol = '';
    stage.socket.readyState = 1;
    stage.socket.emit('open');
    expect([stage.client.state, stage.socket.closedWith]).toEqual(['closed', 4007]);
    expect(String(stage.errors[0])).toContain('does not speak goods.v1');
  });

  test('may be open already when the client gets it', async () => {
    class Open extends FakeSocket {
      override readyState = 1;
      override protocol = 'other';
    }
    const client = new GoodsClient('ws://market', { WebSocket: Open, clock: new FakeClock() });
    const errors: unknown[] = [];
    client.on('error', (error) => errors.push(error));
    await settle();
    expect([client.state, String(errors[0])]).toEqual(['closed', expect.stringContaining('does not speak goods.v1')]);
  });

  test('without a welcome in time is given up', () => {
    const stage = meet({ openTimeout: 500 });
    stage.clock.advance(500);
    expect([stage.client.state, stage.socket.isTerminated]).toEqual(['waiting', true]);
  });

  test('that is silent is asked for a sign of life, and then given up', () => {
    const stage = meet({ heartbeat: 1000 });
    stage.socket.welcome();
    stage.clock.advance(1000);
    expect(stage.socket.last).toMatchObject({ op: 'ping' });
    stage.socket.ok();
    stage.clock.advance(1000);
    expect(stage.client.state).toBe('open');
    stage.clock.advance(1000);
    expect(stage.socket.requests.length).toBe(2);
    stage.clock.advance(1000);
    expect([stage.client.state, stage.socket.isTerminated]).toEqual(['waiting', true]);
  });

  test('that the market does not close as announced is given up', async () => {
    const stage = meet({ heartbeat: 1000 });
    stage.socket.welcome();
    const asked = stage.client.supply('a', 1);
    stage.socket.say({ op: 'closing', reason: 'restart', retryAfter: 7000 });
    stage.clock.advance(9999);
    expect([stage.client.state, stage.socket.isTerminated]).toEqual(['open', false]);
    stage.clock.advance(1);
    expect([stage.client.state, stage.socket.isTerminated]).toEqual(['waiting', true]);
    await expect(asked).rejects.toBeInstanceOf(ConnectionError);
    expect(String(stage.errors[0])).toContain('did not close as announced');
    stage.clock.advance(6999);
    expect(stage.sockets.length).toBe(1);
    stage.clock.advance(1);
    expect(stage.sockets.length).toBe(2);
  });

  test('that takes no message any more is given up, and requests are sent on the next one', async () => {
    const stage = meet();
    stage.socket.welcome();
    const cause = new Error('broken');
    stage.socket.send = () => {
      throw cause;
    };
    const asked = stage.client.catalog();
    expect([stage.client.state, stage.socket.isTerminated]).toEqual(['waiting', true]);
    expect(stage.errors).toMatchObject([{ name: 'ConnectionError', closeCode: 1006, cause }]);
    stage.clock.advance(600);
    stage.socket.welcome();
    stage.socket.ok({ catalog: [] });
    expect(await asked).toEqual([]);
  });
});

describe('the market is disconnected as faulty', () => {
  test.each<[string, (socket: FakeSocket) => void, number]>([
    ['if its first frame is not welcome', (socket) => socket.say({ op: 'idle', goods: 'n' }), 4007],
    [
      'if it speaks another version',
      (socket) => socket.say({ op: 'welcome', protocol: 'goods.v2', heartbeat: 0, limits: {} }),
      4007,
    ],
    ['if it says welcome twice', (socket) => [socket.welcome(), socket.welcome()], 4007],
    ['if it replies to no request', (socket) => [socket.welcome(), socket.ok({}, 7)], 4007],
    ['if it sends an invalid binary message', (socket) => socket.sayBytes('09'), 4003],
    [
      'if a message is neither text nor an ArrayBuffer',
      (socket) => socket.emit('message', { data: new Date(0) }),
      4003,
    ],
  ])('%s', (_title, act, code) => {
    const stage = meet();
    act(stage.socket);
    expect([stage.client.state, stage.socket.closedWith]).toEqual(['closed', code]);
    expect(stage.errors).toMatchObject([{ name: 'WireError', closeCode: code - 3000 }]);
    // Later messages are ignored.
    stage.socket.say({ op: 'idle', goods: 'n' });
    expect(stage.errors).toHaveLength(1);
  });

  test.each<[string, unknown, object, number]>([
    [
      'an error that is no Error',
      'mine',
      { name: 'WireError', message: 'a frame could not be taken', cause: 'mine' },
      4007,
    ],
    [
      'another Error, which is reported as it is',
      new RangeError('mine'),
      { name: 'RangeError', message: 'mine' },
      4007,
    ],
  ])('if reading a message throws %s', (_title, thrown, error, code) => {
    const stage = meet();
    const get = () => {
      throw thrown;
    };
    stage.socket.emit('message', { data: Object.defineProperty(new Uint8Array(1), 'buffer', { get }) });
    expect(stage.errors).toMatchObject([error]);
    expect([stage.client.state, stage.socket.closedWith]).toEqual(['closed', code]);
  });
});

test('a binary message may be a view of a larger buffer, as ws gives it', async () => {
  const stage = meet();
  stage.socket.welcome();
  const subscribing = stage.client.subscribe<never, undefined>('a');
  stage.socket.ok({ streams: [stream('a', { kind: 'bytes' })] });
  const bytes = Buffer.from('ffff01000000000000000100010000 61cafe'.replace(' ', ''), 'hex');
  stage.socket.emit('message', { data: bytes.subarray(2) });
  const { value } = await (await subscribing).next();
  expect(Buffer.from(value!.item).toString('hex')).toBe('cafe');
});

describe('the limits of the welcome', () => {
  test('pace the requests', async () => {
    const stage = meet();
    const asked = [1, 2, 3, 4].map(() => stage.client.catalog());
    stage.socket.welcome({ requestsPerSecond: 10, requestBurst: 2, messageSize: 1000 });
    expect(stage.socket.requests).toHaveLength(2);
    stage.clock.advance(99);
    expect(stage.socket.requests).toHaveLength(2);
    stage.clock.advance(1);
    expect(stage.socket.requests).toHaveLength(3);
    stage.clock.advance(100);
    for (const { id } of stage.socket.requests) stage.socket.ok({ catalog: [] }, id);
    expect(await Promise.all(asked)).toEqual([[], [], [], []]);
    expect(stage.clock.timers.size).toBe(0);
  });

  test('end with the connection, and so does the pause', () => {
    const stage = meet();
    for (let i = 0; i < 3; i++) stage.client.catalog().catch(() => {});
    stage.socket.welcome({ requestsPerSecond: 1, requestBurst: 1 });
    expect(stage.clock.timers.size).toBe(1);
    void stage.client.close();
    stage.socket.end(1000);
    expect(stage.clock.timers.size).toBe(0);
  });

  test('refuse a message that is too large, in bytes of UTF-8 or of a binary message', async () => {
    const stage = meet();
    stage.socket.welcome({ messageSize: 60 });
    await expect(stage.client.supply('a', 'ä'.repeat(20))).rejects.toThrow('takes messages of up to 60 bytes');
    await expect(stage.client.supply('a', new Uint8Array(100))).rejects.toThrow(RangeError);
    expect(stage.socket.sent).toEqual([]);
    stage.client.supply('a', 'ä').catch(() => {});
    expect(stage.socket.sent).toHaveLength(1);
  });

  test('that are invalid are ignored', () => {
    const stage = meet();
    stage.socket.welcome({ requestsPerSecond: 0, requestBurst: 'x', messageSize: -1 });
    for (let i = 0; i < 2000; i++) stage.client.catalog().catch(() => {});
    expect(stage.socket.requests).toHaveLength(2000);
  });
});

describe('closing', () => {
  test('waits for the WebSocket, at most 5 seconds, and then terminates it', async () => {
    const stage = meet();
    stage.socket.welcome();
    let isClosed = false;
    const closing = stage.client.close().then(() => {
      isClosed = true;
    });
    expect(stage.socket.closedWith).toBe(1000);
    stage.clock.advance(4999);
    await settle();
    expect([isClosed, stage.socket.isTerminated]).toEqual([false, false]);
    stage.clock.advance(1);
    await closing;
    expect(stage.socket.isTerminated).toBe(true);
  });

  test('is over at once if the WebSocket closes inside of close()', async () => {
    const stage = meet();
    stage.socket.welcome();
    stage.socket.close = () => stage.socket.end(1000);
    await stage.client.close();
    expect(stage.clock.timers.size).toBe(0);
  });

  test('counts a WebSocket that throws in close() as closing', async () => {
    const stage = meet();
    stage.socket.welcome();
    stage.socket.close = () => {
      throw new Error('mine');
    };
    const closing = stage.client.close();
    stage.clock.advance(5000);
    await closing;
    expect(stage.client.state).toBe('closed');
  });
});

test('a WebSocket without terminate(), as in browsers, is closed when it is given up', () => {
  const stage = meet({ openTimeout: 500 });
  const { socket } = stage;
  (socket as { terminate?: unknown }).terminate = undefined;
  let closes = 0;
  socket.close = () => void closes++;
  stage.clock.advance(500);
  expect([closes, stage.client.state]).toEqual([1, 'waiting']);
});

test('the error of a lost connection has the close code, the reason, and the error event as its cause', () => {
  const cause = new Error('ECONNRESET');
  const stage = meet();
  stage.socket.emit('error', { error: cause });
  stage.socket.emit('error', { error: new Error('another') });
  stage.socket.emit('close', { code: 'none', reason: null });
  expect(stage.errors).toMatchObject([
    { name: 'ConnectionError', message: 'no connection could be made: 1006', closeCode: 1006, reason: '', cause },
  ]);
  stage.clock.advance(600);
  stage.socket.welcome();
  stage.socket.end(1011, 'fault');
  expect(stage.errors[1]).toMatchObject({ message: 'the connection was lost: 1011 fault', closeCode: 1011 });
});

test('a request that ends the connection while it is written is the last one that is sent', async () => {
  const stage = meet();
  stage.socket.welcome({ requestsPerSecond: 1, requestBurst: 1 });
  const asked = [stage.client.supply('a', 1), stage.client.supply('a', 2), stage.client.supply('a', 3)];
  stage.socket.send = () => {
    throw new Error('broken');
  };
  stage.clock.advance(1000);
  await expect(asked[0]).rejects.toBeInstanceOf(ConnectionError);
  await expect(asked[1]).rejects.toBeInstanceOf(ConnectionError);
  stage.clock.advance(600);
  stage.socket.welcome();
  expect(stage.socket.requests).toMatchObject([{ items: [3] }]);
  stage.socket.say(item(1));
  expect(stage.client.state).toBe('open');
  asked[2]!.catch(() => {});
});

test('a connection that is closed twice loses its requests once', async () => {
  const [socket, clock] = [new FakeSocket(), new FakeClock()];
  const lost: boolean[] = [];
  const connection = new ClientConnection(
    socket,
    clock,
    { openTimeout: 1000, heartbeat: 0 },
    { welcome: () => {}, receive: () => {}, lost: () => {} },
  );
  connection.ask({
    isDropped: false,
    write: () => '',
    settle: () => {},
    refuse: () => {},
    lose: (wasSent) => void lost.push(wasSent),
  });
  const both = [connection.close(1000, '', 100), connection.close(1000, '', 50)];
  clock.advance(100);
  await Promise.all(both);
  expect([lost, clock.timers.size]).toEqual([[false], 0]);
});
