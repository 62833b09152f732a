import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { insideOf, WebSocket } from '../../src/websocket/websocket.ts';
import { acceptFor } from '../support/raw-server.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { settle } from '../support/until.ts';

const thrown = (): never => {
  throw new Error('the stream misbehaves');
};

/** Connection to a server in memory, which sends one response to the request. */
class Connection extends Duplex {
  readonly #answer: (accept: string) => string;
  #request = '';
  readonly whenDestroyed: Promise<void>;
  #resolve!: () => void;

  constructor(answer: (accept: string) => string) {
    super();
    this.#answer = answer;
    this.whenDestroyed = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#request += String(chunk);
    if (this.#request.endsWith('\r\n\r\n')) {
      const [, key = ''] = /^sec-websocket-key: (.*)\r$/im.exec(this.#request) ?? [];
      this.push(this.#answer(acceptFor(key)));
    }
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#resolve();
    done(error);
  }
}

const switching = (accept: string) =>
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
const answers: Readonly<Record<string, (accept: string) => string>> = {
  'a wrong Sec-WebSocket-Accept': () => switching('x'),
  'no WebSocket': () => 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n',
  'a redirect too many': () => 'HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n',
  nothing: () => '',
};

/** Connects over a stream that misbehaves, and returns the events of the client until it has closed. */
async function events(connection: Connection): Promise<string[]> {
  using uncaught = captureUncaught();
  const seen: string[] = [];
  const client = new WebSocket('ws://localhost/', {
    createConnection: () => connection as never,
    handshakeTimeout: 50,
    followRedirects: true,
    maxRedirects: 0,
  });
  client.on('open', () => seen.push('open'));
  client.on('error', () => seen.push('error'));
  await new Promise<void>((resolve) => {
    client.on('close', (code) => {
      seen.push(`close ${code}`);
      resolve();
    });
  });
  await connection.whenDestroyed;
  await settle();
  expect([uncaught.exceptions, uncaught.rejections]).toEqual([[], []]);
  expect([client.readyState, insideOf(client).transport]).toEqual([WebSocket.CLOSED, null]);
  return seen;
}

describe('a client whose stream throws in destroy()', () => {
  it.each(Object.entries(answers))('fails once and ends the stream: the response is %s', async (_title, answer) => {
    const connection = new Connection(answer);
    connection.destroy = thrown;
    expect(await events(connection)).toEqual(['error', 'close 1006']);
  });
});

describe('a client whose stream fails while it becomes a WebSocket', () => {
  it.each<[string, (connection: Connection) => void]>([
    ['has a setNoDelay() that throws', (connection) => Object.assign(connection, { setNoDelay: thrown })],
    [
      'takes no listener for "data"',
      (connection) => {
        const { on } = connection;
        Object.assign(connection, {
          on(event: string, listener: () => void) {
            return event === 'data' && listener.name.startsWith('onData') ? thrown() : on.call(this, event, listener);
          },
        });
      },
    ],
  ])('fails once and ends the stream, if the stream %s', async (_title, misbehave) => {
    const connection = new Connection(switching);
    misbehave(connection);
    expect(await events(connection)).toEqual(['error', 'close 1006']);
  });

  it.each<[string, (connection: Connection) => void]>([
    [
      'setNoDelay()',
      (connection) => Object.assign(connection, { setNoDelay: () => connection.destroy().emit('close') }),
    ],
    [
      'a method that adds a listener',
      (connection) => {
        const { on } = connection;
        Object.assign(connection, {
          on(event: string, listener: () => void) {
            on.call(this, event, listener);
            if (event === 'error' && listener.name === 'onError') connection.destroy().emit('close');
            return this;
          },
        });
      },
    ],
  ])('closes once, never opens and keeps nothing, if the stream closes in %s', async (_title, misbehave) => {
    const connection = new Connection(switching);
    misbehave(connection);
    expect(await events(connection)).toEqual(['close 1006']);
  });
});
