import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { WebSocketServer as WsServer, WebSocket as WsWebSocket } from 'ws';
import { WebSocket, WebSocketServer } from '../../src/index.ts';
import { certificate } from './certificate.ts';
import { portOf } from './port-of.ts';

/**
 * The two implementations by the names in test output. Typed as goodwire's, because the tests check that both behave
 * alike.
 */
export const implementations = {
  goodwire: { WebSocket, WebSocketServer },
  ws: {
    WebSocket: WsWebSocket as unknown as typeof WebSocket,
    WebSocketServer: WsServer as unknown as typeof WebSocketServer,
  },
} as const;

export type Implementation = (typeof implementations)[keyof typeof implementations];
export type Wire = 'tcp' | 'tls' | 'unix';

type Options = NonNullable<ConstructorParameters<typeof WebSocketServer>[0]>;

/** Server on a loopback address or a Unix socket, with a function to connect a client of any implementation. */
export interface Peers extends AsyncDisposable {
  readonly server: WebSocketServer;
  readonly httpServer: HttpServer;
  readonly url: string;
  connect(implementation: Implementation, options?: object): WebSocket;
}

export async function listen(
  implementation: Implementation,
  wire: Wire = 'tcp',
  options: Partial<Options> = {},
): Promise<Peers> {
  const httpServer = (wire === 'tls' ? createHttpsServer(certificate) : createHttpServer()) as HttpServer;
  const path = join(tmpdir(), `goodwire-${randomUUID()}.sock`);
  if (wire === 'unix') httpServer.listen(path);
  else httpServer.listen(0, '127.0.0.1');
  await once(httpServer, 'listening');
  const server = new implementation.WebSocketServer({ ...options, server: httpServer } as Options);
  const { port } = (wire === 'unix' ? { port: 0 } : httpServer.address()) as net.AddressInfo;
  const url = wire === 'unix' ? `ws+unix:${path}:/` : `${wire === 'tls' ? 'wss' : 'ws'}://127.0.0.1:${port}/`;
  const clients: WebSocket[] = [];
  return {
    server,
    httpServer,
    url,
    connect: (by, more = {}) => {
      const client = new by.WebSocket(url, { perMessageDeflate: false, rejectUnauthorized: false, ...more } as object);
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.on('error', () => {}).terminate();
      for (const client of server.clients ?? []) client.terminate();
      httpServer.closeAllConnections();
      await new Promise((resolve) => httpServer.close(resolve));
    },
  };
}

/** Connected pair of WebSockets: the client's end and the server's, once both are open. */
export async function connectPair(
  peers: Peers,
  by: Implementation,
  options: object = {},
): Promise<{ client: WebSocket; served: WebSocket }> {
  const accepted = once(peers.server, 'connection') as Promise<[WebSocket]>;
  const client = peers.connect(by, options);
  const [[served]] = await Promise.all([accepted, once(client, 'open')]);
  return { client, served };
}

/** Two of our WebSockets on a pair of streams in memory, and the raw streams. */
export function memoryPair(options: { server?: object; client?: object } = {}): {
  client: WebSocket;
  served: WebSocket;
  clientStream: import('node:stream').Duplex;
  servedStream: import('node:stream').Duplex;
} {
  const [clientStream, servedStream] = duplexPair();
  const client = new WebSocket(null, undefined, { isServer: false, ...options.client });
  const served = new WebSocket(null, undefined, { ...options.server });
  client.setSocket(clientStream, Buffer.alloc(0), options.client);
  served.setSocket(servedStream, Buffer.alloc(0), options.server);
  return { client, served, clientStream, servedStream };
}

/** Opens a raw TCP connection after the opening handshake, as a hostile peer would use it. May request extensions. */
export async function rawClient(peers: Peers, extensions = ''): Promise<net.Socket> {
  const port = portOf(peers.httpServer);
  const socket = net.connect(port, '127.0.0.1');
  socket.write(
    'GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n' +
      `${extensions && `Sec-WebSocket-Extensions: ${extensions}\r\n`}\r\n`,
  );
  const [head] = (await once(socket, 'data')) as [Buffer];
  if (!head.toString('latin1').startsWith('HTTP/1.1 101 ')) throw new Error(`no 101: ${head}`);
  socket.on('error', () => {});
  return socket;
}

/** Returns all data that a stream delivers until its end. */
export async function drain(stream: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk) => chunks.push(chunk));
  if (!stream.readableEnded) await Promise.race([once(stream, 'end'), once(stream, 'close')]);
  return Buffer.concat(chunks);
}
