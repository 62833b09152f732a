import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { ClientRequestArgs } from 'node:http';
import * as net from 'node:net';
import { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { onTestFinished } from 'vitest';
import { certificate } from './certificate.ts';
import { streamClosed } from './life.ts';

/** Returns the `Sec-WebSocket-Accept` for a key, computed without the code under test. */
export function acceptFor(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** Request as received by a raw server. */
export interface RawRequest {
  /** Request line and header fields, unchanged. */
  readonly text: string;
  /** Expected `Sec-WebSocket-Accept`. */
  readonly accept: string;
  readonly socket: net.Socket;
  /** Number of the request, starting at 1. */
  readonly number: number;
}

/** Returns the response to write; undefined to leave the request unanswered, or if the response was already written. */
export type Answer = (request: RawRequest) => string | Buffer | undefined;

/** Server that responds to each request with given bytes, valid or not. */
export interface RawServer extends AsyncDisposable {
  readonly listener: net.Server;
  readonly port: number;
  readonly requests: RawRequest[];
  /** All connections, including closed ones. */
  readonly connections: net.Socket[];
  /** Resolves when every connection has closed. */
  allClosed(): Promise<unknown>;
}

/** Returns the field lines of a response that accepts the upgrade, each ended by CR LF. */
export function agreeing(accept: string): string {
  return `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n`;
}

/** Returns a response that accepts the upgrade, with optional additional field lines. */
export function switching(accept: string, more = ''): string {
  return `HTTP/1.1 101 Switching Protocols\r\n${agreeing(accept)}${more}\r\n`;
}

export async function rawServer(
  answer: Answer,
  { secure = false, path }: { secure?: boolean; path?: string } = {},
): Promise<RawServer> {
  const requests: RawRequest[] = [];
  const connections: net.Socket[] = [];
  const onSocket = (socket: net.Socket) => {
    let text = '';
    socket.on('error', () => {});
    socket.on('data', (octets) => {
      text += octets.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      const key = /^sec-websocket-key: (.*)\r$/im.exec(text)?.[1] ?? '';
      const request = { text, accept: acceptFor(key), socket, number: requests.length + 1 };
      requests.push(request);
      text = '';
      const octetsBack = answer(request);
      if (octetsBack !== undefined) socket.write(octetsBack);
    });
  };
  const listener = secure ? tls.createServer(certificate, onSocket) : net.createServer(onSocket);
  listener.on('connection', (socket: net.Socket) => connections.push(socket));
  listener.on('tlsClientError', () => {});
  if (path === undefined) listener.listen(0, '127.0.0.1');
  else listener.listen(path);
  await once(listener, 'listening');
  const address = listener.address();
  return {
    listener,
    port: typeof address === 'object' && address !== null ? address.port : 0,
    requests,
    connections,
    allClosed: () => Promise.all(connections.map((socket) => streamClosed(socket))),
    async [Symbol.asyncDispose]() {
      for (const socket of connections) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

/** Starts a raw server until the end of the test. */
export async function server(...parameters: Parameters<typeof rawServer>): Promise<RawServer> {
  const raw = await rawServer(...parameters);
  onTestFinished(() => raw[Symbol.asyncDispose]());
  return raw;
}

/** Server in memory that receives the requests for every address, and the arguments of `createConnection` for each. */
export interface MemoryServer {
  readonly requests: string[];
  readonly options: ClientRequestArgs[];
  readonly createConnection: (options: ClientRequestArgs) => Duplex;
}

export function memoryServer(
  answer: (request: Pick<RawRequest, 'text' | 'accept' | 'number'>) => string | Buffer | undefined = agree,
): MemoryServer {
  const requests: string[] = [];
  const options: ClientRequestArgs[] = [];
  const createConnection = (given: ClientRequestArgs) => {
    options.push(given);
    let text = '';
    return new Duplex({
      read() {},
      write(octets: Buffer, _encoding, callback) {
        text += octets.toString('latin1');
        if (text.endsWith('\r\n\r\n')) {
          requests.push(text);
          const back = answer({
            text,
            accept: acceptFor(fieldOf(text, 'sec-websocket-key') ?? ''),
            number: requests.length,
          });
          if (back !== undefined) this.push(back);
          text = '';
        }
        callback();
      },
    });
  };
  return { requests, options, createConnection };
}

/** Accepts every request. */
export const agree = ({ accept }: { accept: string }) => switching(accept);

/** Returns a response that redirects. */
export const redirection = (location: string, status = 302) =>
  `HTTP/1.1 ${status} Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`;

/** Returns the request target, the text after GET. */
export const targetOf = (request: string) => request.split(' ', 2)[1];

/** Returns the value of a field of a request. The name is case-insensitive. */
export function fieldOf(request: string, name: string): string | undefined {
  return new RegExp(`^${name}: (.*)\r$`, 'im').exec(request)?.[1];
}
