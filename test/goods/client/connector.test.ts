import { describe, expect, test } from 'vitest';
import { GoodsClient } from '../../../src/goods/client.ts';
import { FakeClock, FakeSocket, meet, settle } from '../../support/fake-market.ts';

describe('a connection', () => {
  test.each([1001, 1006, 1011, 1012, 1013])(
    'that ends with %d is followed by another, after a random pause whose maximum grows',
    (code) => {
      const stage = meet({ backoff: { base: 1000, max: 3000 } });
      const pauses: number[] = [];
      for (let i = 0; i < 4; i++) {
        stage.socket.end(code);
        expect(stage.client.state).toBe('waiting');
        const before = stage.sockets.length;
        let pause = 0;
        while (stage.sockets.length === before) {
          stage.clock.advance(100);
          pause += 100;
        }
        pauses.push(pause);
      }
      // Half of 1000, 2000, and then of 3000.
      expect(pauses).toEqual([500, 1000, 1500, 1500]);
    },
  );

  test.each([
    { base: 1000, longest: 100 },
    { base: 1000, longest: 5000, max: 100 },
  ])(
    'is made again after at most the pause of %o: the former name works, and the new one takes precedence',
    (backoff) => {
      const stage = meet({ backoff });
      stage.socket.end(1006);
      stage.clock.advance(49);
      expect(stage.sockets).toHaveLength(1);
      stage.clock.advance(1);
      expect(stage.sockets).toHaveLength(2);
    },
  );

  test.each([1000, 1002, 1003, 1007, 1008, 4401, 4403])('that ends with %d is the last one', async (code) => {
    const stage = meet();
    stage.socket.welcome();
    const asked = stage.client.catalog();
    stage.socket.end(code, 'why');
    expect([stage.client.state, stage.sockets.length]).toEqual(['closed', 1]);
    await expect(asked).rejects.toMatchObject({ name: 'ConnectionError', closeCode: code, reason: 'why' });
    await expect(stage.client.subscribe('a')).rejects.toMatchObject({ closeCode: code });
  });

  test('that the market closes as announced is followed by another, not before the announced time', () => {
    const stage = meet({ backoff: { base: 10 } });
    stage.socket.welcome();
    stage.socket.say({ op: 'closing', reason: 'restart', retryAfter: 7000 });
    stage.socket.end(1012);
    stage.clock.advance(6999);
    expect(stage.sockets.length).toBe(1);
    stage.clock.advance(1);
    expect(stage.sockets.length).toBe(2);
  });

  test('is the only one if `reconnect` is false', () => {
    const stage = meet({ reconnect: false });
    stage.socket.end(1006);
    expect(stage.client.state).toBe('closed');
  });

  test('needs a class of WebSocket', () => {
    expect(() => new GoodsClient('ws://market', { WebSocket: null })).toThrow('There is no WebSocket here');
  });

  test('leads to a `state` event for each change', async () => {
    const stage = meet();
    const states: string[] = [];
    const end = stage.client.on('state', (state) => states.push(state));
    stage.socket.welcome();
    stage.socket.end(1006);
    stage.clock.advance(600);
    const closing = stage.client.close();
    stage.socket.end(1000);
    await closing;
    end();
    expect(states).toEqual(['open', 'waiting', 'connecting', 'closed']);
  });
});

describe('the address', () => {
  test('may come from a function, which is called before each connection, as may the options', async () => {
    let token = 0;
    const stage = meet({ webSocketOptions: () => ({ token: ++token }) }, async () => new URL(`ws://market/${token}`));
    expect([stage.client.state, stage.made]).toEqual(['connecting', []]);
    await settle();
    stage.socket.welcome();
    expect(stage.client.state).toBe('open');
    const asked = stage.client.catalog();
    stage.socket.end(1006);
    stage.clock.advance(600);
    await settle();
    expect(stage.made).toEqual([
      ['ws://market/0', 'goods.v1', { token: 1 }],
      ['ws://market/1', 'goods.v1', { token: 2 }],
    ]);
    stage.socket.welcome();
    stage.socket.ok({ catalog: [] });
    expect(await asked).toEqual([]);
    expect(stage.clock.timers.size).toBe(0);
  });

  test('is asked for again after a pause if the function fails, and requests go on waiting', async () => {
    const cause = new Error('no token');
    let calls = 0;
    const stage = meet({}, () => {
      calls++;
      if (calls === 1) throw cause;
      return calls === 2 ? Promise.reject(cause) : 'ws://market';
    });
    const asked = stage.client.catalog();
    for (let i = 1; i < 3; i++) {
      await settle();
      expect([stage.client.state, calls, stage.sockets.length]).toEqual(['waiting', i, 0]);
      stage.clock.advance(i * 500);
    }
    expect(stage.errors).toMatchObject(Array(2).fill({ name: 'ConnectionError', closeCode: 1006, cause }));
    await settle();
    stage.socket.welcome();
    stage.socket.ok({ catalog: [] });
    expect(await asked).toEqual([]);
  });

  test('must be known in time, and is ignored later', async () => {
    const answers: ((address: string) => void)[] = [];
    const stage = meet({ openTimeout: 3000 }, () => new Promise((resolve) => answers.push(resolve)));
    stage.clock.advance(3000);
    expect(stage.client.state).toBe('waiting');
    expect(String(stage.errors[0])).toContain('there was no address in 3000 milliseconds');
    answers[0]!('ws://late');
    await settle();
    expect([stage.client.state, stage.sockets.length]).toEqual(['waiting', 0]);
    stage.clock.advance(500);
    answers[1]!('ws://now');
    await settle();
    expect(stage.made).toEqual([['ws://now', 'goods.v1']]);
  });

  test('is ignored if the client was closed meanwhile', async () => {
    const stage = meet({}, async () => 'ws://market');
    await stage.client.close();
    await settle();
    expect([stage.client.state, stage.sockets.length, stage.clock.timers.size]).toEqual(['closed', 0, 0]);
  });

  test('closes the client if the WebSocket throws for it', async () => {
    class Choosy extends FakeSocket {
      constructor(url: string) {
        super();
        throw new SyntaxError(`${url} is no address`);
      }
    }
    const options = { WebSocket: Choosy, clock: new FakeClock() };
    expect(() => new GoodsClient('nonsense', options)).toThrow('nonsense is no address');
    const client = new GoodsClient(() => 'nonsense', options);
    const errors: unknown[] = [];
    client.on('error', (error) => errors.push(error));
    await settle();
    expect([client.state, errors]).toEqual(['closed', [expect.any(SyntaxError)]]);
    await expect(client.catalog()).rejects.toBeInstanceOf(SyntaxError);
  });

  test('is asked for again if the market has not identified the client', async () => {
    const stage = meet({ webSocketOptions: () => ({}) });
    await settle();
    stage.socket.end(4401);
    expect(stage.client.state).toBe('waiting');
    stage.clock.advance(500);
    await settle();
    expect(stage.sockets.length).toBe(2);
    stage.socket.end(1008);
    expect(stage.client.state).toBe('closed');
  });
});

describe('the pause before the next connection', () => {
  test('begins short again after a connection that has lasted, and not after one that was lost at once', () => {
    const { clock, sockets, socket } = (() => {
      const stage = meet({ backoff: { base: 1000 } });
      stage.socket.end(1006);
      return stage;
    })();
    expect(socket).toBe(sockets[0]);
    clock.advance(500);
    sockets[1]!.welcome();
    clock.advance(4999);
    sockets[1]!.end(1006);
    // The second pause: half of 2000.
    clock.advance(999);
    expect(sockets).toHaveLength(2);
    clock.advance(1);
    sockets[2]!.welcome();
    clock.advance(5000);
    sockets[2]!.end(1006);
    clock.advance(500);
    expect(sockets).toHaveLength(4);
  });

  test('is at most 10 minutes, whatever the market asks for', () => {
    const stage = meet();
    stage.socket.welcome();
    stage.socket.say({ op: 'closing', reason: 'restart', retryAfter: Number.MAX_SAFE_INTEGER });
    stage.socket.end(1012);
    stage.clock.advance(599_999);
    expect(stage.sockets).toHaveLength(1);
    stage.clock.advance(1);
    expect(stage.sockets).toHaveLength(2);
  });
});

describe('a client that a callback closes', () => {
  test.each(['connecting', 'open', 'waiting'] as const)('when it is %s makes no further connection', async (at) => {
    const stage = meet();
    stage.client.on('state', (state) => {
      if (state === at) void stage.client.close();
    });
    stage.socket.welcome();
    if (at !== 'open') {
      stage.socket.end(1006);
      stage.clock.advance(60_000);
    }
    await settle();
    expect([stage.client.state, stage.sockets.length, stage.clock.timers.size]).toEqual([
      'closed',
      1,
      at === 'open' ? 1 : 0,
    ]);
  });

  test('when it is told that goods have no demand any more makes no further connection', async () => {
    const stage = meet();
    stage.socket.welcome();
    const shelving = stage.client.shelve('s', { onIdle: () => void stage.client.close() });
    stage.socket.ok();
    await shelving;
    stage.socket.say({ op: 'demand', goods: 's' });
    stage.socket.end(1006);
    stage.clock.advance(60_000);
    expect([stage.client.state, stage.sockets.length]).toEqual(['closed', 1]);
  });

  test('while its connection is being lost makes no further connection, and reports no error', () => {
    const clock = new FakeClock();
    const stage = meet({ clock });
    // The clock is a function of the application too.
    clock.clearTimeout = () => void stage.client.close();
    stage.socket.end(1006);
    clock.advance(60_000);
    expect([stage.client.state, stage.sockets.length, stage.errors]).toEqual(['closed', 1, []]);
  });

  test('when it is told of the error makes no further connection', () => {
    const stage = meet();
    stage.client.on('error', () => void stage.client.close());
    stage.socket.end(1006);
    stage.clock.advance(60_000);
    expect([stage.client.state, stage.sockets.length, stage.clock.timers.size]).toEqual(['closed', 1, 0]);
  });
});

test('an address may be a URL, and the options of the WebSocket are passed on', () => {
  const { made } = meet({ webSocketOptions: { headers: { a: 'b' } } }, new URL('ws://market/path'));
  expect(made).toEqual([['ws://market/path', 'goods.v1', { headers: { a: 'b' } }]]);
});

test('without an option the global WebSocket is used', () => {
  const { WebSocket } = globalThis;
  let made = 0;
  globalThis.WebSocket = class extends FakeSocket {
    constructor() {
      super();
      made++;
    }
  } as never;
  try {
    expect(new GoodsClient('ws://market', { clock: new FakeClock() }).state).toBe('connecting');
  } finally {
    globalThis.WebSocket = WebSocket;
  }
  expect(made).toBe(1);
});
