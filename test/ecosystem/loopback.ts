import { type EventEmitter, once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import WebSocket, { type ClientOptions, type RawData } from 'ws';

const connections = new WeakMap<Server, Set<Socket>>();

/**
 * Makes a server listen on 127.0.0.1, on a free port by default. Returns the port. The server is ended at the end of
 * the test.
 */
export async function listen(server: Server = createServer(), port = 0): Promise<number> {
  const open = new Set<Socket>();
  connections.set(server, open);
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => crash(server));
  return (server.address() as AddressInfo).port;
}

/** Ends a server as a crash would: its connections, including upgraded ones, are cut without a closing handshake. */
export async function crash(server: Server): Promise<void> {
  for (const socket of connections.get(server) ?? []) socket.destroy();
  if (server.listening) await new Promise((resolve) => server.close(resolve));
}

/** Returns a WebSocket without another library, which is ended at the end of the test. */
export function connect(url: string, protocols: string[] = [], options: ClientOptions = {}): WebSocket {
  const socket = new WebSocket(url, protocols, options);
  onTestFinished(() => {
    socket.on('error', () => {});
    socket.terminate();
  });
  return socket;
}

/**
 * Resolves with the data of the next event of an emitter of Node or socket.io, or of an EventTarget. Rejects on an
 * error.
 */
// biome-ignore lint/suspicious/noExplicitAny: each library has events of its own.
export const next = (emitter: object, event: string): Promise<any[]> => once(emitter as EventEmitter, event);

/** Resolves with the next message of a WebSocket: a string for text, bytes for binary data. */
export async function nextMessage(socket: WebSocket): Promise<string | Buffer> {
  const [data, isBinary] = (await once(socket, 'message')) as [RawData, boolean];
  return isBinary ? (data as Buffer) : data.toString();
}

/** Resolves with the close code and the reason of a WebSocket. */
export async function closed(socket: WebSocket): Promise<[code: number, reason: string]> {
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
  return [code, reason.toString()];
}

/** Returns a promise and the function that settles it. For APIs with a callback and without an emitter. */
export function signal<T = void>(): { promise: Promise<T>; settle: (value: T) => void } {
  let settle!: (value: T) => void;
  const promise = new Promise<T>((resolve) => {
    settle = resolve;
  });
  return { promise, settle };
}
