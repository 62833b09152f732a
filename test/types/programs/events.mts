// Both event faces of a WebSocket, with the types of what listeners get left to inference.
import { once } from 'node:events';
import WebSocket, {
  type CloseEvent,
  type ErrorEvent,
  type Event,
  type EventListenerOptions,
  type MessageEvent,
  type RawData,
} from 'ws';

/** Fails to compile unless both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
const same = <A, B>(claim: Same<A, B>): void => void claim;

const socket = new WebSocket('ws://127.0.0.1');

// The EventEmitter face
socket
  .on('open', () => socket.send('hello'))
  .on('message', (data, isBinary) => {
    same<typeof data, RawData>(true);
    same<typeof isBinary, boolean>(true);
  })
  .on('close', (code, reason) => {
    same<typeof code, number>(true);
    same<typeof reason, Buffer>(true);
  })
  .on('error', (error) => {
    same<typeof error, Error>(true);
  })
  .on('ping', (data) => {
    socket.pong(data);
    same<typeof data, Buffer>(true);
  })
  .on('pong', (data) => {
    same<typeof data, Buffer>(true);
  })
  .on('upgrade', (response) => {
    response.headers['sec-websocket-protocol'];
  })
  .on('unexpected-response', (request, response) => {
    response.resume();
    request.destroy();
    response.statusCode?.toFixed();
  })
  .on('redirect', (url, request) => {
    request.removeHeader('authorization');
    url.startsWith('wss:');
  })
  .on('something of my own', (...args) => args.length);

socket.on('message', function (data) {
  if (this.readyState === WebSocket.OPEN) this.send(data.toString());
});
socket.once('open', function () {
  this.close();
});
socket.once('close', (code, reason) => reason.toString() + code.toFixed());

function onMessage(data: RawData, isBinary: boolean): void {
  socket.send(data as Buffer, { binary: isBinary });
}
// A listener that takes fewer parameters, and one that calls it Buffer, as much code does.
const onText = (data: Buffer): string => data.toString();
socket.addListener('message', onMessage);
socket.removeListener('message', onMessage);
socket.on('message', onText);
socket.off('message', onMessage);
socket.removeAllListeners('message');
socket.emit('message', Buffer.alloc(0), false);
const count: number = socket.listenerCount('message');

const [data, isBinary] = (await once(socket, 'message')) as [RawData, boolean];

// The WHATWG face
socket.onopen = (event) => event.target.send('hello');
socket.onmessage = (event) => {
  same<typeof event.data, string | Buffer | ArrayBuffer | Buffer[]>(true);
  if (typeof event.data === 'string') event.target.send(event.data.toUpperCase());
};
socket.onclose = ({ code, reason, wasClean }) => {
  same<typeof code, number>(true);
  same<typeof reason, string>(true);
  same<typeof wasClean, boolean>(true);
};
socket.onerror = (event) => {
  const message: string = event.message;
  const error: unknown = event.error;
  void [message, error];
};
socket.onopen = null;
socket.onmessage = socket.onclose = socket.onerror = null;

const options: EventListenerOptions = { once: true };
const onOpen = (event: Event): string => event.type;
const onClose = (event: CloseEvent): number => event.code;
const onError = (event: ErrorEvent): string => event.message;
const listener = {
  handleEvent(event: MessageEvent): void {
    event.target.send(String(event.data));
  },
};
socket.addEventListener('open', onOpen, options);
socket.addEventListener('close', onClose, { once: true });
socket.addEventListener('error', onError);
socket.addEventListener('message', listener);
socket.addEventListener('message', (event) => event.data);
socket.addEventListener('close', ({ wasClean }) => wasClean);
socket.removeEventListener('open', onOpen);
socket.removeEventListener('message', listener);

const maps: [WebSocket.Event, WebSocket.CloseEvent, WebSocket.ErrorEvent, WebSocket.MessageEvent][] = [];
const handlers: { [K in keyof WebSocket.WebSocketEventMap]?: (event: WebSocket.WebSocketEventMap[K]) => void } = {
  close: (event) => event.reason.length,
};

export { count, data, handlers, isBinary, maps };
