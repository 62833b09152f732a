import type { EventEmitter } from 'node:events';
import type { WebSocket } from '../../src/index.ts';

/** Records the events of a socket, with its readyState at each event. */
export function record(socket: WebSocket): string[] {
  const log: string[] = [];
  const note = (text: string) => log.push(`${text} [${socket.readyState}]`);
  socket.on('open', () => note('open'));
  socket.on('message', (data) => note(`message ${data}`));
  socket.on('ping', (data) => note(`ping ${data}`));
  socket.on('pong', (data) => note(`pong ${data}`));
  socket.on('error', (error: Error & { code?: string }) => note(`error ${error.code ?? error.message}`));
  socket.on('close', (code, reason) => note(`close ${code} ${reason}`));
  return log;
}

/** Resolves when the socket is closed, at once if it already is. */
export const closed = (socket: WebSocket) =>
  socket.readyState === 3 ? Promise.resolve() : new Promise<void>((resolve) => socket.on('close', () => resolve()));

/** Resolves when a stream has closed, with or without an error. */
export async function streamClosed(stream: {
  closed: boolean;
  once(event: 'close', listener: () => void): unknown;
}): Promise<void> {
  if (!stream.closed) await new Promise<void>((resolve) => stream.once('close', resolve));
}

/** Waits for `close`. Unlike `once` it adds no `error` listener, so that an unhandled error stays uncaught. */
export function closing(emitter: EventEmitter): Promise<unknown[]> {
  return new Promise((resolve) => {
    emitter.on('close', (...args) => resolve(args));
  });
}
