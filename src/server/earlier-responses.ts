import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { afterTick } from '../event-loop/after-tick.ts';

/** Response to a request that knows if it was an upgrade, which the types of Node.js leave out. */
type EarlierResponse = ServerResponse<IncomingMessage & { readonly upgrade?: boolean | null }>;

/**
 * Returns the response that an HTTP server of Node.js writes to a socket; undefined if there is none. Every version has
 * the property, which is not documented.
 */
export function responseOf(socket: Duplex | undefined): ServerResponse | undefined {
  return (socket as { readonly _httpMessage?: ServerResponse | null } | undefined)?._httpMessage ?? undefined;
}

/** Callbacks of {@link afterEarlierResponses}. One of them is called, once. */
export interface EarlierResponseEvents {
  /** Called when the last response was passed to the socket, which may have been ended with it. */
  written(): void;
  /** Called if the socket has closed before. */
  closed(): void;
}

/**
 * Returns the response to an earlier request on the connection of an upgrade request, if it is not completely written;
 * undefined if there is none. A client may send requests without waiting for responses (pipelining, RFC 9112 §9.3.2),
 * and Node.js emits `upgrade` at once. Throws nothing.
 */
export function earlierResponse(request: IncomingMessage): ServerResponse | undefined {
  try {
    const response: EarlierResponse | undefined = responseOf(request.socket);
    return response && isEarlier(response, request) ? response : undefined;
  } catch {
    // The request is not of Node.js: its connection has no responses that Node.js would write.
    return undefined;
  }
}

/**
 * True if Node.js has created the response for another request than the upgrade request. Frameworks create one for the
 * upgrade request itself, or for a copy of it, and never write it. An earlier request was received whole; a copy has not
 * been received.
 */
function isEarlier({ req }: EarlierResponse, request: IncomingMessage): boolean {
  return req !== request && req.socket === request.socket && req.complete && !req.upgrade;
}

/**
 * Waits until the responses to all earlier requests are written, beginning with the given one.
 * @returns A function that stops waiting: no callback is called afterwards.
 */
export function afterEarlierResponses(
  request: IncomingMessage,
  first: ServerResponse,
  events: EarlierResponseEvents,
): () => void {
  const { socket } = request;
  let response = first;
  const onFinish = () => {
    const next = earlierResponse(request);
    if (next !== undefined) {
      response.off('finish', onFinish);
      response = next;
      response.on('finish', onFinish);
      return;
    }
    stop();
    events.written();
  };
  // Node.js has removed its own listener with the upgrade. Otherwise a response that waits for 'drain' would never go on.
  const onDrain = () => {
    if (!response.writableNeedDrain) return;
    forgetNeedOfDrain(response);
    response.emit('drain');
  };
  const onClose = () => {
    stop();
    events.closed();
  };
  const stop = () => {
    response.off('finish', onFinish);
    socket.off('drain', onDrain);
    socket.off('close', onClose);
  };
  response.on('finish', onFinish);
  socket.on('drain', onDrain);
  socket.on('close', onClose);
  // The event may have come between the upgrade and this call.
  if (!socket.writableNeedDrain) afterTick(onDrain);
  return stop;
}

/**
 * Resets the property of a response that Node.js resets before it emits 'drain'. Otherwise `writableNeedDrain` would stay
 * true, and a `pipe()` into the response would wait for another 'drain', which never comes.
 */
function forgetNeedOfDrain(response: ServerResponse): void {
  for (const key of Object.getOwnPropertySymbols(response)) {
    if (key.description === 'kNeedDrain') Reflect.set(response, key, false);
  }
}
