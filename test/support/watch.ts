import type { ClientRequest, IncomingMessage } from 'node:http';
import { onTestFinished } from 'vitest';
import type { WebSocket, WebSocketEvents } from '../../src/index.ts';
import type { Implementation } from './peers.ts';

type Options = NonNullable<ConstructorParameters<typeof WebSocket>[2]>;

/** Starts a client until the end of the test. It offers no extension, and has an error listener. */
export function client(
  { WebSocket }: Implementation,
  address: string | URL,
  options: Omit<Options, 'protocols'> & { readonly protocols?: unknown } = {},
): WebSocket {
  const socket = new WebSocket(address, { perMessageDeflate: false, ...options } as Options);
  socket.on('error', () => {});
  onTestFinished(() => socket.terminate());
  return socket;
}

/**
 * Describes an error by the properties that programs match on: the standard class, the message, and the code.
 * `GOODWIRE_` codes, which ws lacks, are omitted.
 */
export function described(error: unknown): string {
  const { message, code } = error as Error & { code?: string };
  const standard = [SyntaxError, TypeError, RangeError, Error].find((kind) => error instanceof kind);
  return `${standard?.name}: ${message}${code === undefined || code.startsWith('GOODWIRE_') ? '' : ` (${code})`}`;
}

/** Returns the error of a call, as `described`; undefined if the call does not throw. */
export function thrownBy(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    return described(error);
  }
  return undefined;
}

type Told = { [E in keyof WebSocketEvents]?: (...parameters: WebSocketEvents[E]) => string };

const told: Told = {
  upgrade: ({ statusCode }: IncomingMessage) => `upgrade ${statusCode}`,
  'unexpected-response': (_request: ClientRequest, { statusCode }: IncomingMessage) =>
    `unexpected-response ${statusCode}`,
  redirect: (url) => `redirect ${url}`,
  open: () => 'open',
  error: (error) => `error ${described(error)}`,
  close: (code, reason) => `close ${code} "${reason}"`,
};

/** Events of a client from now on. */
export interface Watch {
  /** Events with their data and the readyState at that moment. Tests may add entries. */
  readonly log: string[];
  /** Resolves with the log after `close`. */
  readonly closed: Promise<string[]>;
}

/** Records the events of a client, also for names whose listeners change the client's behavior. */
export function watch(socket: WebSocket): Watch {
  const log: string[] = [];
  const emit = socket.emit.bind(socket) as (event: string | symbol, ...parameters: unknown[]) => boolean;
  const closed = new Promise<string[]>((resolve) => {
    socket.emit = (event: string | symbol, ...parameters: unknown[]) => {
      const tell = told[event as keyof Told] as ((...given: unknown[]) => string) | undefined;
      if (tell !== undefined) log.push(`${tell(...parameters)} [${socket.readyState}]`);
      const hasListeners = emit(event, ...parameters);
      if (event === 'close') resolve(log);
      return hasListeners;
    };
  });
  return { log, closed };
}

/** Watches a client, and terminates it as soon as it is open. */
export function watchUntilOpen(socket: WebSocket): Watch {
  const watched = watch(socket);
  socket.on('open', () => socket.terminate());
  return watched;
}
