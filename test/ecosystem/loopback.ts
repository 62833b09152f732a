import { type EventEmitter, once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import WebSocket, { type ClientOptions, type RawData } from 'ws';

const connections = new WeakMap<Server, Set<Socket>>();

/**
 * Makes a server listen at 127.0.0.1, at a free port unless one is given, and returns the port. The end of the test ends it.
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

/** Ends a server as a crash would: its connections are cut without a closing handshake, the upgraded ones too. */
export async function crash(server: Server): Promise<void> {
  for (const socket of connections.get(server) ?? []) socket.destroy();
  if (server.listening) await new Promise((resolve) => server.close(resolve));
}

/** A WebSocket of its own, without a library; the end of the test ends it. */
export function connect(url: string, protocols: string[] = [], options: ClientOptions = {}): WebSocket {
  const socket = new WebSocket(url, protocols, options);
  onTestFinished(() => {
    socket.on('error', () => {});
    socket.terminate();
  });
  return socket;
}

/** What the next event of an emitter carries, be it one of Node, of socket.io or an EventTarget. Rejects when it is an error. */
// biome-ignore lint/suspicious/noExplicitAny: each library has events of its own.
export const next = (emitter: object, event: string): Promise<any[]> => once(emitter as EventEmitter, event);

/** The next message of a WebSocket: a string where it is text, octets where it is binary. */
export async function nextMessage(socket: WebSocket): Promise<string | Buffer> {
  const [data, isBinary] = (await once(socket, 'message')) as [RawData, boolean];
  return isBinary ? (data as Buffer) : data.toString();
}

/** How a WebSocket is closed: the code and the reason. */
export async function closed(socket: WebSocket): Promise<[code: number, reason: string]> {
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
  return [code, reason.toString()];
}

/** Calls back what `settle` is called with first, as a promise. For APIs that take a callback and have no emitter. */
export function signal<T = void>(): { promise: Promise<T>; settle: (value: T) => void } {
  let settle!: (value: T) => void;
  const promise = new Promise<T>((resolve) => {
    settle = resolve;
  });
  return { promise, settle };
}
