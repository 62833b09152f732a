import { EventEmitter, once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { selectCases } from '../../../autobahn/cases/select-cases.ts';
import type { CaseResult } from '../../../autobahn/report/case-result.ts';
import { runFuzzingClient } from '../../../autobahn/run/fuzzing-client.ts';
import { FuzzingServer } from '../../../autobahn/run/fuzzing-server.ts';
import { acceptFor } from '../../../autobahn/wire/http-head.ts';
import { fromHex } from '../../support/hex.ts';
import { portOf } from '../../support/port-of.ts';

/** Maximum time in milliseconds for an answer of a hostile peer. */
const patience = 150;
const timeLimit = 600;

/** Sends forever, as fast as the other side reads. */
function flood(socket: Socket, octets: Buffer): void {
  const more = () => {
    while (!socket.destroyed && socket.writable) if (!socket.write(octets)) return;
  };
  socket.on('drain', more);
  more();
}

const upgrade = (request: string): string => {
  const key = /sec-websocket-key: (\S+)/i.exec(request)?.[1] ?? '';
  return `HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptFor(key)}\r\n\r\n`;
};

/** Actions of a hostile peer on an open connection, in frames of a server and of a client (masked with zeros). */
const behaviors: readonly (readonly [title: string, act: (socket: Socket, masked: boolean) => void])[] = [
  ['does nothing', () => {}],
  ['ends TCP at once', (socket) => socket.end()],
  ['resets TCP', (socket) => socket.resetAndDestroy()],
  ['reads nothing and keeps the connection', (socket) => socket.pause()],
  ['sends garbage for ever', (socket) => flood(socket, Buffer.alloc(65536, 0xff))],
  ['sends pings for ever', (socket, masked) => flood(socket, repeated(masked ? '898000000000' : '8900'))],
  ['sends messages for ever', (socket, masked) => flood(socket, repeated(masked ? '81810000000061' : '810161'))],
  [
    'sends fragments of one octet for ever',
    (socket, masked) => {
      socket.write(fromHex(masked ? '018000000000' : '0100'));
      flood(socket, repeated(masked ? '00810000000061' : '000161'));
    },
  ],
  [
    'sends empty fragments for ever',
    (socket, masked) => {
      socket.write(fromHex(masked ? '018000000000' : '0100'));
      flood(socket, repeated(masked ? '008000000000' : '0000'));
    },
  ],
  [
    'announces 2^63 octets',
    (socket, masked) => socket.write(fromHex(`82${masked ? 'ff' : '7f'}7fffffffffffffff00000000`)),
  ],
  [
    'announces a MiB and sends an octet',
    (socket, masked) => socket.write(fromHex(`82${masked ? 'ff' : '7f'}00000000001000000000000000`)),
  ],
  [
    'closes and goes on sending',
    (socket, masked) => {
      socket.write(fromHex(masked ? '888200000000 03e8' : '880203e8'));
      flood(socket, repeated(masked ? '81810000000061' : '810161'));
    },
  ],
];

function repeated(text: string): Buffer {
  const one = fromHex(text);
  return Buffer.alloc(one.length * 8192, one);
}

/** Cases with little and much data, with waits, and with compression. */
const cases = selectCases('1.1.1,3.1,6.4.3,9.1.4,12.1.1');

/** Checks that each case has ended, none is good, and no report exceeds its limits. */
function expectAllBad(results: readonly CaseResult[]): void {
  expect(results.map(({ id }) => id)).toEqual(cases.map(({ id }) => id));
  for (const result of results) {
    const isGood = result.behavior === 'OK' && result.behaviorClose === 'OK';
    expect(isGood, `${result.id}: ${result.result} ${result.resultClose}`).toBe(false);
    expect(result.goodwire.failure).not.toBeNull();
    expect(result.received.length).toBeLessThanOrEqual(100);
    expect(result.goodwire.trace.length).toBeLessThanOrEqual(257);
    expect(JSON.stringify(result).length).toBeLessThan(1_000_000);
  }
}

async function serveTcp(onSocket: (socket: Socket) => void): Promise<{ url: URL; stop: () => void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  return {
    url: new URL(`ws://127.0.0.1:${port}`),
    stop: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

const requestFor = (path: string): string => requestWith(`GET ${path} HTTP/1.1`);

const requestWith = (start: string): string =>
  `${start}\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;

/** The memory of the process must not grow with the amount of data from a peer. */
const maxGrowth = 256 * 2 ** 20;

async function expectBounded(work: () => Promise<void>): Promise<void> {
  const before = process.memoryUsage().rss;
  await work();
  expect(process.memoryUsage().rss - before).toBeLessThan(maxGrowth);
}

describe.each(behaviors)('a peer that %s', (title, act) => {
  // A peer that ends TCP at once may pass a case in which it must fail the connection.
  const isGoodAtFailing = /^(ends|resets) TCP/.test(title);

  test('fails as a server, without harm to the runner', async () => {
    const { url, stop } = await serveTcp((socket) => {
      socket.once('data', (request) => {
        socket.write(upgrade(String(request)));
        socket.resume();
        act(socket, false);
      });
    });
    await expectBounded(async () => {
      const run = { url, agent: 'hostile', parallel: 7, patience, timeLimit };
      const results = await runFuzzingClient({ ...run, cases });
      if (isGoodAtFailing) expect(results.find(({ id }) => id === '3.1')?.behavior).toBe('OK');
      expectAllBad(isGoodAtFailing ? results.map(spoil) : results);
    });
    stop();
  });

  test('fails as a client, without harm to the runner', async () => {
    const ended = new EventEmitter();
    const onResult = ({ id }: CaseResult) => ended.emit(id);
    const server = new FuzzingServer({ port: 0, cases, patience, timeLimit, onResult });
    const port = await server.listen();
    await expectBounded(async () => {
      // One after the other, because the peer runs in this process and blocks others.
      for (const [index, { id }] of cases.entries()) {
        const isEnded = once(ended, id);
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => {});
        socket.write(requestFor(`/runCase?case=${index + 1}&agent=x`));
        socket.once('data', () => {
          socket.resume();
          act(socket, true);
        });
        await isEnded;
        socket.destroy();
      }
      const results = await server.results('x');
      expectAllBad(isGoodAtFailing ? results.map(spoil) : results);
    });
    await server.close();
  });
});

/** Makes the result bad if ending TCP is a correct answer. */
function spoil(result: CaseResult): CaseResult {
  if (result.expectedClose.closedByMe) return result;
  return { ...result, behavior: 'FAILED', goodwire: { ...result.goodwire, failure: 'ended TCP' } };
}

describe('a server whose handshake', () => {
  test.each<[string, (socket: Socket) => void, RegExp]>([
    ['is garbage for ever', (socket) => flood(socket, Buffer.alloc(65536, 'x')), /longer than 16384 octets/],
    ['has no end', (socket) => socket.write('HTTP/1.1 101 x\r\nX: '), /did not complete its handshake/],
    ['is a binary protocol', (socket) => socket.end(Buffer.from('1603010200\r\n\r\n', 'utf8')), /No HTTP response/],
    ['ends before it began', (socket) => socket.end(), /nothing was received before/],
    ['is reset', (socket) => socket.resetAndDestroy(), /broke inside the handshake|ended the TCP connection/],
    ['has the accept of another key', (socket) => socket.end(upgrade('')), /invalid Sec-WebSocket-Accept/i],
  ])('%s fails the case, not the runner', async (_title, act, why) => {
    const { url, stop } = await serveTcp((socket) => socket.once('data', () => act(socket)));
    const [definition] = selectCases('1.1.1');
    const attempt = runFuzzingClient({ url, agent: 'hostile', cases: [definition as never], patience });
    const said = await attempt.then(
      ([result]) => result?.goodwire.failure ?? '',
      (error: Error) => error.message,
    );
    stop();
    expect(said).toMatch(why);
  });
});

describe('the fuzzing server answers', () => {
  test.each([
    ['invalid HTTP', 'hello\r\n\r\n', '400 Bad Request'],
    ['an unknown path', 'GET /__proto__ HTTP/1.1', '404 Not Found'],
    ['a case that there is not', 'GET /runCase?case=518&agent=x HTTP/1.1', '400 Bad Request'],
    ['a case without a number', 'GET /runCase?agent=x HTTP/1.1', '400 Bad Request'],
    [
      'offers that are not well-formed',
      'GET /runCase?case=9 HTTP/1.1\r\nSec-WebSocket-Extensions: ;;',
      '400 Bad Request',
    ],
  ])('%s in HTTP', async (_title, start, status) => {
    const server = new FuzzingServer({ port: 0, cases, patience, timeLimit });
    const port = await server.listen();
    const socket = connect(port, '127.0.0.1');
    socket.write(requestWith(start));
    let answer = '';
    socket.on('data', (octets) => {
      answer += octets;
    });
    await new Promise((resolve) => socket.on('close', resolve));
    await server.close();
    expect(answer.startsWith(`HTTP/1.1 ${status}\r\n`)).toBe(true);
  });
});
