import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';
import { upgrade } from '../../src/server/upgrade.ts';
import { WebSocketServer } from '../../src/server/websocket-server.ts';
import type { WebSocket } from '../../src/websocket/websocket.ts';
import { type Case, choose, chunksOf, demand, type Target } from '../case.ts';
import { mutateCut } from '../mutations/octets.ts';
import { mutateParts } from '../mutations/text.ts';
import { readWire, soundFrame, writeWire } from '../naive/frames.ts';
import { hear } from '../naive/messages.ts';
import { readResponses } from './http.ts';

const maxPayload = 200;

const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const handshake = `Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n`;
const frame = (first: number, payload: string): string =>
  writeWire(soundFrame(first, Buffer.from(payload, 'latin1'), 0)).toString('latin1');
const framesInBody = frame(0x81, 'body');

/** Parts of what a client sends, whole requests and frames in latin1. */
const parts: readonly string[] = [
  'GET /a HTTP/1.1\r\nHost: x\r\n\r\n',
  'HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  'GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
  `POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: ${framesInBody.length}\r\n\r\n${framesInBody}`,
  `POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${framesInBody.length.toString(16)}\r\n${framesInBody}\r\n0\r\n\r\n`,
  'POST /c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody',
  `GET / HTTP/1.1\r\n${handshake}\r\n`,
  `GET http://y/ HTTP/1.1\r\n${handshake}Expect: 100-continue\r\n\r\n`,
  `GET / HTTP/1.1\r\n${handshake}Sec-WebSocket-Protocol: , a ,\r\n\r\n`,
  `GET / HTTP/1.1\r\n${handshake}Content-Length: 0\r\n\r\n`,
  `GET / HTTP/1.1\r\n${handshake}Content-Length: ${framesInBody.length}\r\n\r\n${framesInBody}`,
  `GET / HTTP/1.1\r\n${handshake}Transfer-Encoding: chunked\r\n\r\n${framesInBody.length.toString(16)}\r\n${framesInBody}\r\n0\r\n\r\n`,
  `GET / HTTP/1.1\r\n${handshake.replace(key, 'x')}\r\n`,
  `OPTIONS * HTTP/1.1\r\n${handshake}\r\n`,
  frame(0x81, 'mine'),
  frame(0x01, 'mi') + frame(0x89, 'ping') + frame(0x80, 'ne'),
  frame(0x82, 'x'.repeat(130)),
  frame(0x88, '\x03\xe8'),
  '\0\xff garbage \r\n',
];
const plainParts = 7;
const talk = parts.slice(15, 19).join('');

/** Connection to a server in memory. */
class Wire extends Duplex {
  readonly written: Buffer[] = [];
  readonly #run: Run;

  constructor(run: Run) {
    super();
    this.#run = run;
  }

  override emit(event: string | symbol, ...given: unknown[]): boolean {
    if (event === 'data') this.#run.delivered += (given[0] as Buffer).length;
    return super.emit(event, ...given);
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(Buffer.from(chunk));
    if (choose(this.#run.config, 7, [false, true])) setImmediate(done);
    else done();
  }

  override _final(done: () => void): void {
    done();
    this.push(null);
  }
}

/** State of the connection that a case uses. */
interface Run {
  readonly config: number;
  /** Number of plain requests that the application has received. */
  requests: number;
  /** Octets that the wire has delivered, and how many of them were in front of the upgrade's `head`. */
  delivered: number;
  boundary: number;
  upgrade: IncomingMessage | null;
  /** Plain requests that the application had received before the upgrade. */
  requestsBefore: number;
  isOpen: boolean;
  readonly messages: string[];
}

let current: Run;

/** Calls back at once, or one or several turns of the event loop later. */
function later(turns: number, callback: () => void): void {
  if (turns === 0) callback();
  else setImmediate(later, turns - 1, callback);
}

function respond(run: Run, number: number, response: ServerResponse): void {
  const turns = choose(run.config, 2 + (number % 3), [0, 1, 3]);
  later(turns, () => {
    if (response.destroyed) return;
    response.setHeader('X-Number', number);
    if (choose(run.config, 5, [false, true])) response.write('part');
    later(turns, () => response.end(`number ${number}`));
  });
}

function onSocket(socket: WebSocket): void {
  const run = current;
  run.isOpen = true;
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => {
    run.messages.push(`${isBinary} ${(data as Buffer).toString('hex')}`);
    socket.send(data, { binary: isBinary });
  });
  socket.send('hello');
}

/** Creates an HTTP server that handles its upgrades in one of the ways of goodwire. */
function serving(listen: (httpServer: Server) => void): Server {
  const httpServer = createServer((_request, response) => respond(current, current.requests++, response));
  httpServer.on('checkContinue', (_request, response) => {
    const run = current;
    const number = run.requests++;
    later(choose(run.config, 6, [0, 2]), () => {
      if (!response.destroyed) response.writeContinue();
      respond(run, number, response);
    });
  });
  const emit = httpServer.emit.bind(httpServer) as (event: string, ...given: unknown[]) => boolean;
  // Not a listener, with which goodwire would not be alone.
  httpServer.emit = (event: string, ...given: unknown[]) => {
    if (event === 'upgrade') {
      const [request, , head] = given as [IncomingMessage, Duplex, Buffer];
      current.upgrade = request;
      current.boundary = current.delivered - head.length;
      current.requestsBefore = current.requests;
    }
    return emit(event, ...given);
  };
  listen(httpServer);
  return httpServer;
}

const options = { maxPayload, clientTracking: false, handshakeTimeout: 0 } as const;
const askingLater = {
  ...options,
  verifyClient: (_info: unknown, answer: (isAllowed: boolean) => void) => void setImmediate(answer, true),
};

const servers: readonly Server[] = [
  serving((server) => void new WebSocketServer({ ...options, server }).on('connection', onSocket)),
  serving((httpServer) => {
    const server = new WebSocketServer({ ...askingLater, noServer: true });
    httpServer.on('upgrade', (...given) => server.handleUpgrade(...given, onSocket));
  }),
  serving((httpServer) => {
    const server = new WebSocketServer({ ...options, noServer: true });
    httpServer.on('upgrade', (...given) => void setImmediate(() => server.handleUpgrade(...given, onSocket)));
  }),
  serving((httpServer) => {
    httpServer.on('upgrade', (...given) => void upgrade(...given, options).then(onSocket, () => {}));
  }),
];

/** Turns of the event loop after which nothing more happens. */
const patience = 40;

/** Passes the chunks of a case to its server, and returns what was written and thrown. */
async function exchange(given: Case, run: Run): Promise<{ written: Buffer; uncaught: Error | null }> {
  const wire = new Wire(run);
  let uncaught: Error | null = null;
  process.setUncaughtExceptionCaptureCallback((error) => {
    uncaught ??= error;
  });
  try {
    choose(given.config, 0, servers).emit('connection', wire);
    for (const chunk of chunksOf(given)) {
      if (wire.destroyed || wire.writableEnded) break;
      wire.push(chunk);
      if (choose(given.config, 8, [false, true])) await new Promise(setImmediate);
    }
    for (let turn = 0; turn < patience && !wire.destroyed; turn++) {
      await new Promise(setImmediate);
      // The client ends the connection when nothing more comes.
      if (turn === patience / 2 && !wire.writableEnded) wire.push(null);
    }
    wire.destroy();
    await new Promise(setImmediate);
  } finally {
    process.setUncaughtExceptionCaptureCallback(null);
  }
  return { written: Buffer.concat(wire.written), uncaught };
}

/** True if the fields of a request announce a body. Read from the raw fields, without the code under test. */
function announcesBody({ rawHeaders }: IncomingMessage): boolean {
  return rawHeaders.some((name, index) => {
    if (index % 2 === 1) return false;
    const value = rawHeaders[index + 1]!;
    return /^transfer-encoding$/i.test(name) || (/^content-length$/i.test(name) && !/^0+$/.test(value));
  });
}

export const exchangeTarget: Target = {
  name: 'exchange',
  title:
    'Whole HTTP exchanges around an upgrade: responses in order, then only frames, and no octet of a request in one',

  seeds: () =>
    parts.slice(plainParts, 15).flatMap((asking, index) => {
      const before = [parts[index % plainParts]!, parts[(index + 3) % plainParts]!];
      const texts = [asking + talk, before[0] + asking + talk, before.join('') + asking + parts[0], asking + asking];
      return texts.map((text, i) => ({ octets: Buffer.from(text, 'latin1'), cut: [], config: index * 37 + i }));
    }),

  mutate(random, given, other) {
    const octets = mutateParts(random, given.octets, other.octets, parts);
    return {
      octets,
      cut: random.oneIn(3) ? given.cut : mutateCut(random, octets.length),
      config: random.oneIn(4) ? random.below(512) : given.config,
    };
  },

  async run(given) {
    const run: Run = {
      config: given.config,
      requests: 0,
      delivered: 0,
      boundary: 0,
      upgrade: null,
      requestsBefore: 0,
      isOpen: false,
      messages: [],
    };
    current = run;
    const { written, uncaught } = await exchange(given, run);
    demand(uncaught === null, 'nothing is uncaught', uncaught === null ? '' : (uncaught as Error).stack);

    const heads = given.octets.toString('latin1').includes('HEAD ');
    const { responses, rest } = readResponses(written, heads);
    // 417 is the response of Node.js to an unknown expectation, and leaves the connection open.
    const final = responses.filter(({ status }) => status >= 200 && status !== 417);
    const numbered = final.filter(({ number }) => number !== null);
    numbered.forEach(({ number }, index) => {
      demand(number === index, 'the responses come in the order of the requests', [number, index]);
    });
    const other = final.findIndex(({ number }) => number === null);
    demand(other === -1 || other === final.length - 1, 'nothing comes behind a refusal');
    const accepted = responses.findIndex(({ status }) => status === 101);
    if (accepted === -1) {
      demand(!run.isOpen, 'a WebSocket is open only behind a 101');
      demand(run.messages.length === 0, 'there is no message without a WebSocket');
      return `${responses.map(({ status }) => status)} ${run.upgrade !== null} ${rest.length > 0}`;
    }

    demand(
      accepted === responses.length - 1,
      'no response comes behind a 101',
      responses.map(({ status }) => status),
    );
    demand(run.upgrade !== null, 'a 101 answers an upgrade');
    demand(!announcesBody(run.upgrade), 'an upgrade with a body is not accepted');
    demand(numbered.length === run.requestsBefore, 'the 101 comes behind the responses to all earlier requests', [
      numbered.length,
      run.requestsBefore,
    ]);
    demand(run.requests === run.requestsBefore, 'no octet of a frame becomes one of a request');
    const before = given.octets.subarray(0, run.boundary).toString('latin1');
    demand(/\r?\n\r?\n$/.test(before), 'frames begin behind the empty line of the request', before.slice(-20));
    // Octets that the client sends behind its request, read by a model of RFC 6455.
    const rules = { role: 'server', maxPayload, maxFragments: 0, allowRsv1: false } as const;
    const heard = hear(given.octets.subarray(run.boundary), rules, true).told;
    const expected = heard.flatMap((told) =>
      told.kind === 'message' ? [`${told.isBinary} ${told.payload.toString('hex')}`] : [],
    );
    demand(run.messages.join() === expected.join(), 'the messages are those of the frames behind the request', [
      run.messages,
      expected,
    ]);
    const wire = readWire(rest);
    demand(wire.rest.length === 0, 'only whole frames come behind a 101', wire.rest);
    const data = wire.frames.filter(({ first }) => (first & 15) < 8);
    const sent = data.map(({ first, payload }) => `${first === 0x82} ${payload.toString('hex')}`);
    const hello = `false ${Buffer.from('hello').toString('hex')}`;
    demand(
      [hello, ...expected].join().startsWith(sent.join()) && wire.frames.every(({ first }) => first >= 0x80),
      'only the frames of the application come behind a 101',
      [sent, expected],
    );
    return `${responses.map(({ status }) => status)} ${heard.map(({ kind }) => kind).slice(0, 5)} ${wire.frames.map(({ first }) => first).slice(0, 5)}`;
  },
};
