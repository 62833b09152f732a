import { type EventEmitter, once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';

export const key = 'dGhlIHNhbXBsZSBub25jZQ==';
export const accept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

/** Something that listens at a port of the loopback interface. */
interface Listening {
  address(): AddressInfo | string | null;
}

export function portOf(server: Listening): number {
  return (server.address() as AddressInfo).port;
}

interface RequestOptions {
  method?: string;
  url?: string;
  version?: string;
  headers?: Record<string, string | string[] | undefined>;
}

/** The octets of a good opening request, with other fields where a test wants them; undefined leaves one out, a list repeats it. */
export function requestText({ method = 'GET', url = '/', version = '1.1', headers = {} }: RequestOptions = {}): string {
  const fields: Record<string, string | string[] | undefined> = {
    Host: 'localhost',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': key,
    'Sec-WebSocket-Version': '13',
    ...headers,
  };
  let text = `${method} ${url} HTTP/${version}\r\n`;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) text += `${name}: ${one}\r\n`;
  }
  return `${text}\r\n`;
}

export async function connect(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Everything that comes back until the server ends, and whether it does. */
export async function exchange(port: number, text: string): Promise<string> {
  const socket = await connect(port);
  let received = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk) => {
    received += chunk;
  });
  socket.write(text);
  await once(socket, 'end');
  socket.destroy();
  return received;
}

/** The head of what comes back, from a server that may leave the connection open. */
export async function exchangeHead(port: number, text: string): Promise<string> {
  const socket = await connect(port);
  const head = await new Promise<string>((resolve) => {
    let received = '';
    socket.setEncoding('utf8');
    const check = (chunk = '') => {
      received += chunk;
      const end = received.indexOf('\r\n\r\n');
      if (end !== -1) resolve(received.slice(0, end));
    };
    socket.on('data', check);
    socket.on('close', () => resolve(received));
    socket.write(text);
  });
  socket.destroy();
  return head;
}

/** A request that a program made, as those do who inject requests into a server. */
export function injectedRequest(headers: Record<string, string | undefined> = {}, more: object = {}): IncomingMessage {
  return {
    method: 'GET',
    httpVersion: '1.1',
    url: '/',
    headers: {
      upgrade: 'websocket',
      connection: 'upgrade',
      'sec-websocket-version': '13',
      'sec-websocket-key': key,
      ...headers,
    },
    ...more,
  } as unknown as IncomingMessage;
}

/** A stream in memory that keeps what is written to it. */
export class MemoryStream extends Duplex {
  written = '';
  /** Whether the reader is so slow that nothing is ever written. */
  isStuck = false;

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.isStuck) return;
    this.written += chunk.toString();
    done();
  }
}

/** Waits for `close`, and unlike `once` does not listen for `error`, so that an error without listener is one. */
export function closing(emitter: EventEmitter): Promise<unknown[]> {
  return new Promise((resolve) => {
    emitter.on('close', (...args) => resolve(args));
  });
}
