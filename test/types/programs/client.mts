// A client as people write it for ws: every constructor form, option, attribute and method.
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent } from 'node:https';
import WebSocket, { type ClientOptions, type Data, WebSocket as NamedWebSocket, type RawData } from 'ws';

const options: ClientOptions = {
  allowSynchronousEvents: true,
  autoPong: false,
  finishRequest(request: ClientRequest, websocket: WebSocket) {
    request.setHeader('x-url', websocket.url);
    request.end();
  },
  followRedirects: false,
  generateMask(mask: Buffer) {
    mask.fill(0);
  },
  handshakeTimeout: 5_000,
  headers: { authorization: 'Bearer x' },
  maxFragments: 1_024,
  maxBufferedChunks: 65_536,
  maxPayload: 1024 * 1024,
  maxRedirects: 3,
  origin: 'https://example.com',
  perMessageDeflate: false,
  protocolVersion: 13,
  skipUTF8Validation: false,
};

const tls: ClientOptions = {
  agent: new Agent({ keepAlive: true }),
  ca: 'a certificate',
  cert: Buffer.alloc(0),
  family: 4,
  key: ['a key'],
  localAddress: '127.0.0.1',
  passphrase: 'secret',
  rejectUnauthorized: true,
};

const sockets: WebSocket[] = [
  new WebSocket('ws://127.0.0.1'),
  new WebSocket(new URL('wss://127.0.0.1')),
  new WebSocket('ws://127.0.0.1', 'chat'),
  new WebSocket('ws://127.0.0.1', ['chat', 'superchat']),
  new WebSocket('ws://127.0.0.1', options),
  new WebSocket('ws://127.0.0.1', undefined, options),
  new WebSocket('wss://127.0.0.1', [], tls),
  new WebSocket('ws://127.0.0.1', 'chat', { timeout: 1_000, path: '/other' }),
  new NamedWebSocket('ws://127.0.0.1'),
  new WebSocket(null),
];
const socket: NamedWebSocket = sockets[0] as WebSocket;

// Attributes
const state: 0 | 1 | 2 | 3 = socket.readyState;
const isOpen: boolean = socket.readyState === WebSocket.OPEN && socket.readyState === socket.OPEN;
const constants: [0, 1, 2, 3] = [WebSocket.CONNECTING, WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED];
const own: [0, 1, 2, 3] = [socket.CONNECTING, socket.OPEN, socket.CLOSING, socket.CLOSED];
const texts: string[] = [socket.url, socket.protocol, socket.extensions];
const buffered: number = socket.bufferedAmount;
const paused: boolean = socket.isPaused;
for (const type of ['nodebuffer', 'arraybuffer', 'fragments'] as const) socket.binaryType = type;

function describe(readyState: WebSocket['readyState']): string {
  switch (readyState) {
    case WebSocket.CONNECTING:
      return 'connecting';
    case WebSocket.OPEN:
      return 'open';
    case WebSocket.CLOSING:
      return 'closing';
    case WebSocket.CLOSED:
      return 'closed';
  }
}

// Sending
const sent = (error?: Error): void => void error?.message;
socket.send('text');
socket.send('text', sent);
socket.send(Buffer.from('text'), { binary: false, compress: false, fin: true, mask: true }, sent);
socket.send(new Uint8Array([1, 2, 3]), { binary: true });
socket.send(new DataView(new ArrayBuffer(4)));
socket.send(new DataView(new ArrayBuffer(4)) as ArrayBufferView);
socket.send({ valueOf: () => 'text' });
socket.send(new Float64Array(2).buffer);
socket.send(new SharedArrayBuffer(4));
socket.send(new Blob(['text']), (error) => error?.message);
socket.send(42);
socket.send([1, 2, 3]);
socket.send(JSON.stringify({ isOpen, state, constants, own, texts, buffered, paused }), { compress: undefined });
socket.ping();
socket.ping('text', true, (error: Error) => error.message);
socket.pong(Buffer.alloc(1), false);
socket.pause();
socket.resume();
socket.close();
socket.close(1000);
socket.close(1000, 'done');
socket.close(4000, Buffer.from('done'));
socket.terminate();

// The types of messages
function toText(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString();
  if (data instanceof ArrayBuffer) return Buffer.from(data).toString();
  return data.toString('utf8');
}
const fromData = (data: Data): number => (typeof data === 'string' ? data.length : toText(data).length);
const alsoRaw: WebSocket.RawData = Buffer.alloc(0);
const alsoData: WebSocket.Data = 'text';
const alsoOptions: WebSocket.ClientOptions = options;
const upgraded = (response: IncomingMessage): string | undefined => response.headers.upgrade;

export { alsoData, alsoOptions, alsoRaw, describe, fromData, socket, toText, upgraded };
