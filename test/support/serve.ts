import { once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';
import { onTestFinished } from 'vitest';
import type { WebSocket, WebSocketServer } from '../../src/index.ts';
import type { ServerOptions } from '../../src/server/server-options.ts';
import { type Implementation, implementations } from './peers.ts';
import { portOf } from './port-of.ts';

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

/** Starts a server of goodwire, until the end of the test. */
export async function serveGoodwire(options: ServerOptions = {}): Promise<WebSocketServer> {
  const served = await serve(implementations.goodwire, options);
  onTestFinished(() => served[Symbol.asyncDispose]());
  return served.server;
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

/** Starts an HTTP server. */
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
