import { type EventEmitter, once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from '../../src/index.ts';
import type { ServerOptions } from '../../src/server/server-options.ts';
import type { Implementation } from '../support/peers.ts';

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
  readonly #chunks: Buffer[] = [];
  /** Whether the reader is so slow that nothing is ever written. */
  isStuck = false;

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.isStuck) return;
    this.written += chunk.toString();
    this.#chunks.push(Buffer.from(chunk));
    done();
  }

  octets(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

/** Waits for `close`, and unlike `once` does not listen for `error`, so that an error without listener is one. */
export function closing(emitter: EventEmitter): Promise<unknown[]> {
  return new Promise((resolve) => {
    emitter.on('close', (...args) => resolve(args));
  });
}

/** A server at a port of the loopback interface, until it is disposed of: then its clients are cut off. */
export interface Served extends AsyncDisposable {
  readonly server: WebSocketServer;
  readonly port: number;
}

/** A server of an implementation with an HTTP server of its own. */
export async function serve({ WebSocketServer }: Implementation, options: ServerOptions = {}): Promise<Served> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
  await once(server, 'listening');
  return { server, port: portOf(server), [Symbol.asyncDispose]: () => closeServer(server) };
}

/** Cuts the clients of a server off, and closes it. */
export async function closeServer(server: WebSocketServer): Promise<void> {
  for (const client of server.clients ?? []) client.terminate();
  await new Promise((resolve) => server.close(resolve));
}

/** An HTTP server that listens, until it is disposed of with all the sockets that it has accepted, upgraded ones among them. */
export interface ServedHttp extends AsyncDisposable {
  readonly httpServer: http.Server;
  readonly port: number;
}

export async function serveHttp(httpServer: http.Server = http.createServer()): Promise<ServedHttp> {
  const sockets = new Set<net.Socket>();
  for (const event of ['connection', 'secureConnection']) httpServer.on(event, (socket) => sockets.add(socket));
  httpServer.listen(0, '127.0.0.1');
  await once(httpServer, 'listening');
  return {
    httpServer,
    port: portOf(httpServer),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => httpServer.close(resolve));
    },
  };
}

/** A client of an implementation, whose errors are not looked at; cut off when it is disposed of. */
export function dial(
  { WebSocket }: Implementation,
  port: number,
  path = '/',
  protocols: string[] = [],
  options: object = {},
): WebSocket & Disposable {
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { perMessageDeflate: false, ...options });
  client.on('error', () => {});
  return Object.assign(client, { [Symbol.dispose]: () => client.terminate() });
}

/** A client and the server's end of it, when both are open. */
export async function dialed(
  by: Implementation,
  { server, port }: Pick<Served, 'server' | 'port'>,
): Promise<{ client: WebSocket; socket: WebSocket }> {
  const accepted = once(server, 'connection') as Promise<[WebSocket]>;
  const client = dial(by, port);
  const [[socket]] = await Promise.all([accepted, once(client, 'open')]);
  return { client, socket };
}

/** A few turns of the event loop: what has not happened then was not about to. */
export async function settle(turns = 5): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
}

/** The octets of a frame with a short text, as a client sends it. */
export function textFrame(text: string): string {
  return `\x81${String.fromCharCode(0x80 | text.length)}\0\0\0\0${text}`;
}
