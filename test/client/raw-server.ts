import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { ClientRequestArgs } from 'node:http';
import * as net from 'node:net';
import { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { onTestFinished } from 'vitest';

/** A certificate for localhost, 127.0.0.1 and ::1 that nobody trusts unless told to. */
export const certificate = {
  key: readFileSync(new URL('../fixtures/localhost-key.pem', import.meta.url)),
  cert: readFileSync(new URL('../fixtures/localhost-cert.pem', import.meta.url)),
};

/** The `Sec-WebSocket-Accept` for a key, computed apart from the code under test. */
export function acceptFor(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** A request as a raw server sees it. */
export interface RawRequest {
  /** The request line and the header fields, as they came. */
  readonly text: string;
  /** What `Sec-WebSocket-Accept` must be. */
  readonly accept: string;
  readonly socket: net.Socket;
  /** Counts the requests of the server from 1 on. */
  readonly number: number;
}

/** What to answer: octets to write; nothing to leave the request unanswered, or when the answer has been written. */
export type Answer = (request: RawRequest) => string | Buffer | undefined;

/** Resolves when a stream has closed, with an error or without. */
export async function closed(stream: {
  closed: boolean;
  once(event: 'close', listener: () => void): unknown;
}): Promise<void> {
  if (!stream.closed) await new Promise<void>((resolve) => stream.once('close', resolve));
}

/** A server that answers each request with given octets, right or wrong. */
export interface RawServer extends AsyncDisposable {
  readonly listener: net.Server;
  readonly port: number;
  readonly requests: RawRequest[];
  /** The connections, closed ones too. */
  readonly connections: net.Socket[];
  /** Resolves when every connection that was made is closed. */
  allClosed(): Promise<unknown>;
}

/** The field lines of a response that agrees to the upgrade, each ended by CR LF. */
export function agreeing(accept: string): string {
  return `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n`;
}

/** A whole response that agrees to the upgrade, with more field lines if given. */
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
    allClosed: () => Promise.all(connections.map((socket) => closed(socket))),
    async [Symbol.asyncDispose]() {
      for (const socket of connections) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

/** A raw server for the length of a test. */
export async function server(...parameters: Parameters<typeof rawServer>): Promise<RawServer> {
  const raw = await rawServer(...parameters);
  onTestFinished(() => raw[Symbol.asyncDispose]());
  return raw;
}

/** A server in memory, which gets the requests for every address, and what `createConnection` was called with for each. */
export interface MemoryServer {
  readonly requests: string[];
  readonly options: ClientRequestArgs[];
  readonly createConnection: (options: ClientRequestArgs) => Duplex;
}

export function memoryServer(
  answer: (request: Pick<RawRequest, 'text' | 'accept' | 'number'>) => string | undefined = agree,
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

/** The answer that agrees to everything. */
export const agree = ({ accept }: { accept: string }) => switching(accept);

/** A response that redirects. */
export const redirection = (location: string, status = 302) =>
  `HTTP/1.1 ${status} Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`;

/** The request target: what stands behind GET. */
export const targetOf = (request: string) => request.split(' ', 2)[1];

/** The value of a field of a request, whatever the case of its name. */
export function fieldOf(request: string, name: string): string | undefined {
  return new RegExp(`^${name}: (.*)\r$`, 'im').exec(request)?.[1];
}
