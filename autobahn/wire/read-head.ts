import type { Socket } from 'node:net';
import { Patience } from '../patience.ts';
import { headLength, OpeningError } from './http-head.ts';

/** Head of an HTTP message, and the data received behind it. */
export interface ReadHead {
  readonly text: string;
  readonly rest: Buffer;
}

/**
 * Reads the head of a request or response, and then pauses the socket, so that no data is lost before another listener
 * is added.
 *
 * @throws {OpeningError} The peer ended the connection, took longer than `milliseconds`, or sent a head that is too
 *   long.
 */
export function readHead(socket: Socket, milliseconds: number): Promise<ReadHead> {
  return new Promise((resolve, reject) => {
    let octets = Buffer.alloc(0);
    const stop = () => {
      patience.stop();
      socket.pause();
      socket.off('data', onData).off('end', onEnd).off('error', onError).off('close', onEnd);
    };
    const fail = (error: OpeningError) => {
      stop();
      reject(error);
    };
    const patience = new Patience(milliseconds, () =>
      fail(new OpeningError(`the peer did not complete its handshake in ${milliseconds / 1000} s`, 'late')),
    );
    const onEnd = () => {
      const came = octets.length === 0 ? 'nothing was received' : `${octets.length} octets were received`;
      fail(new OpeningError(`the peer ended the TCP connection inside the handshake; ${came} before`));
    };
    const onError = (cause: Error) => {
      fail(new OpeningError(`the TCP connection broke inside the handshake: ${cause.message}`, 'invalid', { cause }));
    };
    const onData = (chunk: Buffer) => {
      octets = Buffer.concat([octets, chunk]);
      try {
        const length = headLength(octets);
        if (length === -1) return;
        stop();
        resolve({ text: octets.toString('latin1', 0, length), rest: octets.subarray(length) });
      } catch (error) {
        fail(error as OpeningError);
      }
    };
    socket.on('data', onData).on('end', onEnd).on('error', onError).on('close', onEnd);
    socket.resume();
  });
}
