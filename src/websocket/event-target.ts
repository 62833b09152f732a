import type { EventEmitter } from 'node:events';
import {
  CloseEvent,
  ErrorEvent,
  Event,
  type EventListenerOf,
  MessageEvent,
  type WebSocketListenerEvents,
} from './events.ts';

// The WHATWG face stands on the EventEmitter face: a listener is wrapped into one for `on`, so that both kinds are called in the
// order in which they were added, and an attribute such as `onmessage` is one of them.

const kListener = Symbol('goodwire.listener');
const kIsAttribute = Symbol('goodwire.isAttribute');

/** Emitter behind the WHATWG face: a WebSocket. */
export interface ListenerHost extends EventEmitter {
  readonly wasClean: boolean;
}

type AnyListener = EventListenerOf<never, never>;

interface Wrapper {
  (this: ListenerHost, ...args: unknown[]): void;
  [kListener]?: AnyListener;
  [kIsAttribute]?: boolean;
}

function call(socket: ListenerHost, listener: AnyListener, event: Event): void {
  if (typeof listener === 'function') (listener as (this: ListenerHost, event: Event) => void).call(socket, event);
  else (listener as { handleEvent(event: Event): void }).handleEvent(event);
}

/** For each event how its EventEmitter arguments become an event object. */
const wrappers: Record<keyof WebSocketListenerEvents, (listener: AnyListener) => Wrapper> = {
  open: (listener) =>
    function onOpen() {
      call(this, listener, new Event('open', this));
    },
  message: (listener) =>
    function onMessage(data, isBinary) {
      const content = isBinary === true ? data : (data as Buffer).toString();
      call(this, listener, new MessageEvent('message', this, content as MessageEvent['data']));
    },
  close: (listener) =>
    function onClose(code, reason) {
      call(this, listener, new CloseEvent('close', this, code as number, (reason as Buffer).toString(), this.wasClean));
    },
  error: (listener) =>
    function onError(error) {
      call(this, listener, new ErrorEvent('error', this, error as Error));
    },
};

function isEventType(type: string): type is keyof WebSocketListenerEvents {
  return Object.hasOwn(wrappers, type);
}

function findWrapper(socket: EventEmitter, type: string, listener: unknown, isAttribute: boolean): Wrapper | undefined {
  return (socket.listeners(type) as Wrapper[]).find(
    (one) => one[kListener] === listener && Boolean(one[kIsAttribute]) === isAttribute,
  );
}

/** Adds a listener of the WHATWG kind; one that is there already, or of an unknown event, is not added. */
export function addListener(socket: ListenerHost, type: string, listener: unknown, isOnce: boolean): void {
  if (!isEventType(type) || listener === null || listener === undefined) return;
  if (findWrapper(socket, type, listener, false) !== undefined) return;
  const wrapper = wrappers[type](listener as AnyListener);
  wrapper[kListener] = listener as AnyListener;
  if (isOnce) socket.once(type, wrapper);
  else socket.on(type, wrapper);
}

/** Removes what {@link addListener} added. */
export function removeListener(socket: ListenerHost, type: string, listener: unknown): void {
  const wrapper = findWrapper(socket, type, listener, false);
  if (wrapper !== undefined) socket.removeListener(type, wrapper);
}

/** The listener that stands in an attribute such as `onmessage`, or null. */
export function getAttribute(socket: EventEmitter, type: string): AnyListener | null {
  const wrapper = (socket.listeners(type) as Wrapper[]).find((one) => one[kIsAttribute]);
  return wrapper?.[kListener] ?? null;
}

/** Sets an attribute such as `onmessage`; what is not a function takes it away. */
export function setAttribute(socket: ListenerHost, type: keyof WebSocketListenerEvents, listener: unknown): void {
  for (const one of socket.listeners(type) as Wrapper[]) {
    if (one[kIsAttribute]) {
      socket.removeListener(type, one);
      break;
    }
  }
  if (typeof listener !== 'function') return;
  const wrapper = wrappers[type](listener as AnyListener);
  wrapper[kListener] = listener as AnyListener;
  wrapper[kIsAttribute] = true;
  socket.on(type, wrapper);
}
