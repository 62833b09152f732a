import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server as HttpServer, type IncomingMessage } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PreparedMessage, WebSocket, WebSocketServer } from '../../src/index.ts';
import { certificate } from '../support/certificate.ts';
import { portOf } from '../support/port-of.ts';

// Applications put functions of their own between a WebSocket and the kernel: throttles, recorders, tracers, interceptors. These may keep a
// chunk, and pass it on at any time. Each connection here sends only its own canary, one octet repeated. No other connection, and no
// recorder of another connection, may ever see eight of these octets in a row.

/** Eight octets of a canary. A masking key or a compressed message contains them with a probability of one in 2⁶⁴. */
const run = (canary: number): Buffer => Buffer.alloc(8, canary);
const firstCanary = 0x41;
/** Canary of the message that all connections get. */
const shared = 0x2a;

/** Keeps the chunks that a wrapper was given, and a copy of each. */
class Recorder {
  readonly #kept: { chunk: Buffer; copy: Buffer }[] = [];

  keep(chunk: unknown): void {
    if (chunk instanceof Uint8Array) this.#kept.push({ chunk: chunk as Buffer, copy: Buffer.from(chunk) });
  }

  get size(): number {
    return this.#kept.length;
  }

  /** Returns the faults of the chunks that were kept, for the connection with the canary `own`. */
  faults(own: number, canaries: readonly number[]): string[] {
    const found: string[] = [];
    for (const { chunk, copy } of this.#kept) {
      if (!chunk.equals(copy)) found.push('a chunk that was kept has changed');
      // The whole memory behind the chunk, each part once. Node's own pool is left out, because all code of the process shares it.
      const memory = chunk.buffer.byteLength === Buffer.poolSize ? chunk : Buffer.from(chunk.buffer);
      for (const canary of canaries)
        if (canary !== own && memory.includes(run(canary))) found.push(`it shows ${String.fromCharCode(canary)}`);
    }
    return found;
  }
}

type Write = (chunk: unknown, ...rest: unknown[]) => boolean;
type Handle = Record<'writeBuffer' | 'writev', (request: object, ...rest: unknown[]) => number>;
interface Inside {
  write: Write;
  _write: (chunk: unknown, encoding: unknown, callback: (error?: Error) => void) => void;
  _writev: ((chunks: { chunk: unknown; encoding: unknown }[], callback: (error?: Error) => void) => void) | null;
  _writeGeneric: (isMany: boolean, data: unknown, encoding: unknown, callback: (error?: Error) => void) => void;
  _handle: Handle | null;
  encrypted?: boolean;
}

type Task = (done: () => void) => void;

/** Runs tasks in their order, each in a later turn of the event loop, and once the one before is done. */
class Queue {
  readonly #waiting: Task[] = [];
  #onEmpty: (() => void) | null = null;

  add(task: Task): void {
    if (this.#waiting.push(task) === 1) setImmediate(() => this.#run());
  }

  /** Calls back when no task waits: now, or later. */
  whenEmpty(callback: () => void): void {
    if (this.#waiting.length === 0) callback();
    else this.#onEmpty = callback;
  }

  #run(): void {
    this.#waiting[0]!(() => {
      this.#waiting.shift();
      if (this.#waiting.length > 0) setImmediate(() => this.#run());
      else this.#onEmpty?.();
    });
  }
}

/** Wraps a function of a stream. A wrapper that delays uses `queue`. No wrapper loses a chunk, unless it throws. */
type Wrapper = (stream: Inside, recorder: Recorder, queue: Queue) => void;

const keepAll = (recorder: Recorder, data: unknown): void => {
  const chunks = Array.isArray(data) ? data.map((one) => (one?.chunk as unknown) ?? one) : [data];
  for (const chunk of chunks) recorder.keep(chunk);
};

const wrappers: Readonly<Record<string, Wrapper>> = {
  'write() that delays': (stream, recorder, queue) => {
    const { write } = stream;
    stream.write = (chunk, ...rest) => {
      keepAll(recorder, chunk);
      queue.add((done) => {
        write.call(stream, chunk, ...rest);
        done();
      });
      return true;
    };
  },
  'write() that records': (stream, recorder) => {
    const { write } = stream;
    stream.write = (chunk, ...rest) => {
      keepAll(recorder, chunk);
      return write.call(stream, chunk, ...rest);
    };
  },
  'write() that calls back in the reverse order': (stream, recorder) => {
    const { write } = stream;
    let callbacks: (() => void)[] = [];
    stream.write = (chunk, ...rest) => {
      keepAll(recorder, chunk);
      const callback = rest.find((one) => typeof one === 'function') as (() => void) | undefined;
      if (callback !== undefined && callbacks.push(callback) === 1) {
        setImmediate(() => {
          const all = callbacks.reverse();
          callbacks = [];
          for (const one of all) one();
        });
      }
      return write.call(stream, chunk);
    };
  },
  'write() that throws the third time': (stream, recorder) => {
    const { write } = stream;
    let times = 0;
    stream.write = (chunk, ...rest) => {
      keepAll(recorder, chunk);
      if (++times === 3) throw new Error('no more');
      return write.call(stream, chunk, ...rest);
    };
  },
  'a subclass with its own write()': (stream, recorder) => {
    const before = Object.getPrototypeOf(stream);
    const own = Object.create(before, {
      write: {
        writable: true,
        value(this: Inside, chunk: unknown, ...rest: unknown[]): boolean {
          keepAll(recorder, chunk);
          return before.write.call(this, chunk, ...rest);
        },
      },
    });
    Object.setPrototypeOf(stream, own);
  },
  '_write() and _writev() that delay': (stream, recorder, queue) => {
    const { _write, _writev } = stream;
    stream._write = (chunk, encoding, callback) => {
      keepAll(recorder, chunk);
      queue.add((done) => {
        _write.call(stream, chunk, encoding, callback);
        done();
      });
    };
    if (_writev === null) return;
    stream._writev = (chunks, callback) => {
      keepAll(recorder, chunks);
      queue.add((done) => {
        _writev.call(stream, chunks, callback);
        done();
      });
    };
  },
  '_write() that calls back at once, and writes later': (stream, recorder, queue) => {
    const { _write, _writev } = stream;
    stream._write = (chunk, encoding, callback) => {
      keepAll(recorder, chunk);
      queue.add((done) => _write.call(stream, chunk, encoding, done));
      callback();
    };
    if (_writev === null) return;
    stream._writev = (chunks, callback) => {
      keepAll(recorder, chunks);
      const whole = Buffer.concat(chunks.map(({ chunk }) => Buffer.from(chunk as Buffer)));
      queue.add((done) => _write.call(stream, whole, 'buffer', done));
      callback();
    };
  },
  '_writeGeneric() that records': (stream, recorder) => {
    const { _writeGeneric } = stream;
    if (_writeGeneric === undefined) return;
    stream._writeGeneric = (isMany, data, encoding, callback) => {
      keepAll(recorder, data);
      _writeGeneric.call(stream, isMany, data, encoding, callback);
    };
  },
  'a handle that records': ({ _handle: handle }, recorder) => {
    if (handle === null || handle === undefined) return;
    for (const name of ['writeBuffer', 'writev'] as const) {
      const native = handle[name];
      handle[name] = (request, ...rest) => {
        keepAll(recorder, rest[0]);
        return native.call(handle, request, ...rest);
      };
    }
  },
  'a handle behind a Proxy that records': (stream, recorder) => {
    const { _handle: handle, encrypted } = stream;
    if (handle === null || handle === undefined || encrypted) return;
    stream._handle = new Proxy(handle, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return (...given: unknown[]) => {
          if (name === 'writeBuffer' || name === 'writev') keepAll(recorder, given[1]);
          return Reflect.apply(value, target, given);
        };
      },
      set: (target, name, value) => Reflect.set(target, name, value),
    });
  },
  nothing: () => {},
};

/** Removes the functions that a wrapper has put into the stream itself. */
function unwrap(stream: Inside): void {
  for (const name of ['write', '_write', '_writev', '_writeGeneric'] as const) Reflect.deleteProperty(stream, name);
  for (const name of ['writeBuffer', 'writev']) if (stream._handle) Reflect.deleteProperty(stream._handle, name);
}

/** One end of a pair in memory. It keeps every chunk, and passes a copy on in the same tick or later. */
class KeepingDuplex extends Duplex {
  other!: KeepingDuplex;
  readonly #recorder: Recorder;
  readonly #queue: Queue | null;

  constructor(recorder: Recorder, delays: boolean) {
    super();
    this.#recorder = recorder;
    this.#queue = delays ? new Queue() : null;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.#recorder.keep(chunk);
    const copy = Buffer.from(chunk);
    this.#pass(() => this.other.push(copy));
    callback();
  }

  override _final(callback: () => void): void {
    this.#pass(() => this.other.push(null));
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#pass(() => this.other.destroy());
    callback(error);
  }

  #pass(call: () => void): void {
    if (this.#queue === null) {
      call();
      return;
    }
    this.#queue.add((done) => {
      call();
      done();
    });
  }
}

function keepingPair(recorders: readonly [Recorder, Recorder], delays: boolean): [Duplex, Duplex] {
  const [near, far] = recorders.map((recorder) => new KeepingDuplex(recorder, delays)) as [
    KeepingDuplex,
    KeepingDuplex,
  ];
  near.other = far;
  far.other = near;
  return [near, far];
}

interface Plan {
  readonly wire: 'tcp' | 'tls' | 'unix' | 'memory' | 'slow memory';
  readonly wrapper: string;
  readonly side: 'client' | 'server';
  /** Numbers of the messages before which the wrapper is put in and taken out; -1 is before the opening handshake. */
  readonly from: number;
  readonly to: number;
  readonly compresses: boolean;
  readonly messages: readonly { readonly size: number; readonly kind: 'text' | 'binary' | 'fragments' | 'ping' }[];
  /** Maximum number of messages without an answer. */
  readonly depth: number;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  wire: fc.constantFrom('tcp', 'tls', 'unix', 'memory', 'slow memory'),
  wrapper: fc.constantFrom(...Object.keys(wrappers)),
  side: fc.constantFrom('client', 'server'),
  from: fc.integer({ min: -1, max: 4 }),
  to: fc.constantFrom(2, 5, 100),
  compresses: fc.boolean(),
  messages: fc.array(
    fc.record({
      size: fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: 8, max: 125 }) },
        { weight: 3, arbitrary: fc.integer({ min: 126, max: 5000 }) },
        { weight: 1, arbitrary: fc.integer({ min: 8000, max: 70_000 }) },
      ),
      kind: fc.constantFrom('text', 'binary', 'fragments', 'ping'),
    }),
    { minLength: 3, maxLength: 12 },
  ),
  depth: fc.integer({ min: 1, max: 6 }),
});

class Party {
  readonly recorders: readonly [Recorder, Recorder] = [new Recorder(), new Recorder()];
  readonly canary: number;
  readonly plan: Plan;
  /** Octets that were received and are not the canary of this connection. */
  readonly foreign = new Set<number>();
  received = 0;
  readonly #queue = new Queue();

  constructor(canary: number, plan: Plan) {
    this.canary = canary;
    this.plan = plan;
  }

  look(octets: Uint8Array): void {
    for (const octet of octets) if (octet !== this.canary && octet !== shared) this.foreign.add(octet);
  }

  /** Puts the wrapper in, or takes it out, if the plan says so for this message. */
  turn(stream: Duplex | null, side: Plan['side'], message: number): void {
    if (stream === null || side !== this.plan.side) return;
    const inside = stream as unknown as Inside;
    const recorder = this.recorders[side === 'client' ? 0 : 1]!;
    if (message === this.plan.from) wrappers[this.plan.wrapper]!(inside, recorder, this.#queue);
    if (message !== this.plan.to) return;
    this.#queue.whenEmpty(() => unwrap(inside));
  }
}

let parties: Party[] = [];
const servers: HttpServer[] = [];
const wss = new WebSocketServer({ noServer: true, perMessageDeflate: { threshold: 0 } });
const unixPath = join(tmpdir(), `goodwire-${randomUUID()}.sock`);
let urls: Record<'tcp' | 'tls' | 'unix', string>;

const partyOf = (request: IncomingMessage): Party => parties[Number(request.url?.split('/').pop())]!;

/** Plays the server's end: answers each message with the same octets, and each third also with the message for all. */
function playServer(socket: WebSocket, party: Party, stream: Duplex): void {
  let count = 0;
  const news = new PreparedMessage(Buffer.alloc(300, shared));
  socket.on('error', () => {});
  const next = (octets: Buffer) => {
    party.look(octets);
    party.turn(stream, 'server', count++);
  };
  socket.on('message', (data: Buffer, isBinary) => {
    next(data);
    if (socket.readyState !== WebSocket.OPEN) return;
    if (count % 3 === 0) socket.send(news);
    socket.send(Buffer.from(data), { binary: isBinary });
  });
  socket.on('ping', next);
}

beforeAll(async () => {
  const made = [createServer(), createHttpsServer(certificate) as unknown as HttpServer, createServer()];
  for (const [index, server] of made.entries()) {
    servers.push(server);
    if (index === 2) server.listen(unixPath);
    else server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    server.on('upgrade', (request, socket, head) => {
      const party = partyOf(request);
      party.turn(socket, 'server', -1);
      wss.handleUpgrade(request, socket, head, (websocket) => playServer(websocket, party, socket));
    });
  }
  const [tcp, tls] = made.map((server) => portOf(server));
  urls = { tcp: `ws://127.0.0.1:${tcp}/`, tls: `wss://127.0.0.1:${tls}/`, unix: `ws+unix:${unixPath}:/` };
});

afterAll(async () => {
  for (const socket of wss.clients) socket.terminate();
  for (const server of servers) server.closeAllConnections();
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
});

function connect(party: Party, index: number): { socket: WebSocket; stream: () => Duplex | null } {
  const { wire, compresses } = party.plan;
  if (wire === 'memory' || wire === 'slow memory') {
    const [near, far] = keepingPair(party.recorders, wire === 'slow memory');
    const socket = new WebSocket(null, undefined, { isServer: false });
    const served = new WebSocket(null, undefined, {});
    party.turn(near, 'client', -1);
    party.turn(far, 'server', -1);
    socket.setSocket(near, Buffer.alloc(0), {});
    served.setSocket(far, Buffer.alloc(0), {});
    playServer(served, party, far);
    queueMicrotask(() => socket.emit('open'));
    return { socket, stream: () => near };
  }
  const socket = new WebSocket(`${urls[wire]}${index}`, { perMessageDeflate: compresses, rejectUnauthorized: false });
  return { socket, stream: () => (socket as unknown as { _socket: Socket | null })._socket };
}

/** Sends all messages of a plan, and resolves when every answer has come or the connection has ended. */
async function play(party: Party, index: number): Promise<void> {
  const { messages, depth } = party.plan;
  const { socket, stream } = connect(party, index);
  let sent = 0;
  const next = () => {
    if (sent === messages.length || socket.readyState !== WebSocket.OPEN) return;
    const { size, kind } = messages[sent]!;
    party.turn(stream(), 'client', sent);
    sent++;
    const payload = Buffer.alloc(size, party.canary);
    if (kind === 'ping') socket.ping(payload.subarray(0, 125));
    else if (kind === 'text') socket.send(String(payload));
    else if (kind === 'binary') socket.send(payload);
    else {
      socket.send(payload.subarray(0, size >> 1), { fin: false });
      socket.send(payload.subarray(size >> 1), { fin: true });
    }
  };
  const answered = (octets: Buffer) => {
    party.look(octets);
    if (octets[0] === shared) return;
    party.received++;
    if (party.received === messages.length) socket.close();
    else next();
  };
  socket.on('error', () => {});
  socket.on('message', answered);
  socket.on('pong', answered);
  const closed = once(socket, 'close');
  await Promise.race([once(socket, 'open'), closed]);
  for (let i = 0; i < depth; i++) next();
  await closed;
}

describe('what stands between a WebSocket and the kernel', () => {
  const names = Object.keys(wrappers);

  test('gets no octet of another connection, whatever it is, whenever it comes and goes', {
    timeout: 600_000,
  }, async () => {
    let connections = 0;
    let kept = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(plan, { minLength: 6, maxLength: 12 }), async (plans) => {
        parties = plans.map((one, index) => new Party(firstCanary + index, one));
        await Promise.all(parties.map(play));
        const canaries = parties.map(({ canary }) => canary);
        const faults = parties.flatMap(({ plan: { wire, wrapper, side }, recorders, canary, foreign }) => {
          const found = recorders.flatMap((recorder) => recorder.faults(canary, canaries));
          if (foreign.size > 0) found.push(`received ${String.fromCharCode(...foreign)}`);
          return found.map((fault) => `${wire}, ${wrapper} at the ${side}: ${fault}`);
        });
        expect(faults).toEqual([]);
        connections += parties.length;
        kept += parties.reduce((sum, { recorders }) => sum + recorders[0].size + recorders[1].size, 0);
      }),
      { numRuns: 40 },
    );
    expect(connections).toBeGreaterThan(200);
    expect(kept).toBeGreaterThan(connections);
  });

  // Without randomness: each wrapper, on each side, beside busy connections that have no wrapper.
  test.each(names.flatMap((wrapper) => (['client', 'server'] as const).map((side) => [wrapper, side] as const)))(
    'gets all of its own, and nothing else: %s, at the %s',
    async (wrapper, side) => {
      const messages = [20, 100, 3000, 60, 9000, 125, 40].map((size) => ({ size, kind: 'binary' as const }));
      const one = { side, from: 0, to: 100, compresses: false, messages, depth: 2 };
      const wires = ['tcp', 'tls', 'unix', 'memory'] as const;
      const plans = wires.flatMap((wire) => [
        { ...one, wire, wrapper },
        { ...one, wire, wrapper: 'nothing' },
      ]);
      parties = plans.map((each, index) => new Party(firstCanary + index, each));
      await Promise.all(parties.map(play));
      const canaries = parties.map(({ canary }) => canary);
      for (const { canary, foreign, received, recorders, plan: played } of parties) {
        expect([...foreign]).toEqual([]);
        expect(recorders.flatMap((recorder) => recorder.faults(canary, canaries))).toEqual([]);
        if (!played.wrapper.includes('throws')) expect(received).toBe(messages.length);
      }
    },
  );
});
