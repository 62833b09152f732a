import { type EventEmitter, once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from '../../src/index.ts';
import type { ServerOptions } from '../../src/server/server-options.ts';
import type { Implementation } from '../support/peers.ts';

export const key = 'dGhlIHNhbXBsZSBub25jZQ==';
export const accept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

/** Server on a port of the loopback interface. */
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

/** Returns a valid opening request, with changed fields. Undefined removes a field; a list repeats it. */
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

/** Returns everything received until the server ends the connection, and whether it does. */
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

/** Returns the head of a response, from a server that may leave the connection open. */
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

/** Returns a request made by a program, as used to inject requests into a server. */
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

/** Stream in memory that records written data. */
export class MemoryStream extends Duplex {
  written = '';
  readonly #chunks: Buffer[] = [];
  /** True if the reader is so slow that writes never complete. */
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

/** Waits for `close`. Unlike `once` it adds no `error` listener, so that an unhandled error stays uncaught. */
export function closing(emitter: EventEmitter): Promise<unknown[]> {
  return new Promise((resolve) => {
    emitter.on('close', (...args) => resolve(args));
  });
}

/** Server on a port of the loopback interface. Disposing of it terminates its clients. */
export interface Served extends AsyncDisposable {
  readonly server: WebSocketServer;
  readonly port: number;
}

/** Starts a server of an implementation with its own HTTP server. */
export async function serve({ WebSocketServer }: Implementation, options: ServerOptions = {}): Promise<Served> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
  await once(server, 'listening');
  return { server, port: portOf(server), [Symbol.asyncDispose]: () => closeServer(server) };
}

/** Terminates the clients of a server, and closes it. */
export async function closeServer(server: WebSocketServer): Promise<void> {
  for (const client of server.clients ?? []) client.terminate();
  await new Promise((resolve) => server.close(resolve));
}

/** Listening HTTP server. Disposing of it destroys all accepted sockets, including upgraded ones. */
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

/** Starts a client of an implementation, whose errors are ignored. Terminated when disposed of. */
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

/** Connects a client. Returns it and the server's end when both are open. */
export async function dialed(
  by: Implementation,
  { server, port }: Pick<Served, 'server' | 'port'>,
): Promise<{ client: WebSocket; socket: WebSocket }> {
  const accepted = once(server, 'connection') as Promise<[WebSocket]>;
  const client = dial(by, port);
  const [[socket]] = await Promise.all([accepted, once(client, 'open')]);
  return { client, socket };
}

/** Waits a few turns of the event loop, after which no further event is due. */
export async function settle(turns = 5): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
}

/** Returns a client's frame with a short text. */
export function textFrame(text: string): string {
  return `\x81${String.fromCharCode(0x80 | text.length)}\0\0\0\0${text}`;
}
