import type { EventEmitter } from 'node:events';
import {
  CloseEvent,
  ErrorEvent,
  Event,
  type EventListenerOf,
  MessageEvent,
  type WebSocketListenerEvents,
} from './events.ts';

// The interface of the browser is built on the EventEmitter. A listener of `addEventListener` or of an attribute such as `onmessage` is
// wrapped into a listener for `on`, so that listeners of all kinds are called in the order in which they were added.

/** Key of a wrapper's own listener. */
const wrapped = Symbol('goodwire.listener');
/** Key of a mark on the wrapper of an attribute's listener. */
const isAttribute = Symbol('goodwire.isAttribute');

/** Emitter that the events come from: a WebSocket. */
export interface ListenerHost extends EventEmitter {
  readonly wasClean: boolean;
}

type AnyListener = EventListenerOf<never, never>;

interface Wrapper {
  (this: ListenerHost, ...args: unknown[]): void;
  [wrapped]?: AnyListener;
  [isAttribute]?: boolean;
}

function call(socket: ListenerHost, listener: AnyListener, event: Event): void {
  if (typeof listener === 'function') (listener as (this: ListenerHost, event: Event) => void).call(socket, event);
  else (listener as { handleEvent(event: Event): void }).handleEvent(event);
}

/** For each event: wraps a listener, which is then called with an event object made from the arguments of the EventEmitter. */
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

function findWrapper(socket: EventEmitter, type: string, listener: unknown): Wrapper | undefined {
  return (socket.listeners(type) as Wrapper[]).find(
    (wrapper) => wrapper[wrapped] === listener && wrapper[isAttribute] !== true,
  );
}

/** Adds a listener as `addEventListener` does. Nothing is added if the event is unknown, or if the listener was added before. */
export function addListener(socket: ListenerHost, type: string, listener: unknown, isOnce: boolean): void {
  if (!isEventType(type) || listener === null || listener === undefined) return;
  if (findWrapper(socket, type, listener) !== undefined) return;
  const wrapper = wrappers[type](listener as AnyListener);
  wrapper[wrapped] = listener as AnyListener;
  if (isOnce) socket.once(type, wrapper);
  else socket.on(type, wrapper);
}

/** Removes a listener that {@link addListener} has added. */
export function removeListener(socket: ListenerHost, type: string, listener: unknown): void {
  const wrapper = findWrapper(socket, type, listener);
  if (wrapper !== undefined) socket.removeListener(type, wrapper);
}

/** Returns the listener of an attribute such as `onmessage`, or null. */
export function getAttribute(socket: EventEmitter, type: string): AnyListener | null {
  const wrapper = (socket.listeners(type) as Wrapper[]).find((one) => one[isAttribute]);
  return wrapper?.[wrapped] ?? null;
}

/** Sets the listener of an attribute such as `onmessage`. A value that is not a function removes it. */
export function setAttribute(socket: ListenerHost, type: keyof WebSocketListenerEvents, listener: unknown): void {
  for (const one of socket.listeners(type) as Wrapper[]) {
    if (one[isAttribute]) {
      socket.removeListener(type, one);
      break;
    }
  }
  if (typeof listener !== 'function') return;
  const wrapper = wrappers[type](listener as AnyListener);
  wrapper[wrapped] = listener as AnyListener;
  wrapper[isAttribute] = true;
  socket.on(type, wrapper);
}
