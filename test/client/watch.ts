import type { ClientRequest, IncomingMessage } from 'node:http';
import { onTestFinished } from 'vitest';
import type { WebSocket, WebSocketEvents } from '../../src/index.ts';
import type { Implementation } from '../support/peers.ts';

type Options = NonNullable<ConstructorParameters<typeof WebSocket>[2]>;

/** A client for the length of a test. It offers no extension, and has a listener for errors. */
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

/** An error by what programs match on: the standard class, the message, and the code; a `GOODWIRE_` code is more than ws gives. */
export function described(error: unknown): string {
  const { message, code } = error as Error & { code?: string };
  const standard = [SyntaxError, TypeError, RangeError, Error].find((kind) => error instanceof kind);
  return `${standard?.name}: ${message}${code === undefined || code.startsWith('GOODWIRE_') ? '' : ` (${code})`}`;
}

/** What a call throws, as `described`; undefined if it throws nothing. */
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

/** What a client tells from now on. */
export interface Watch {
  /** Event, what it brings, and the readyState at that moment. Tests add marks of their own. */
  readonly log: string[];
  /** Resolves with the log behind `close`. */
  readonly closed: Promise<string[]>;
}

/** Writes down what a client tells, also where a listener would change what it does. */
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

/** Watches a client, and ends it as soon as it is open. */
export function watchUntilOpen(socket: WebSocket): Watch {
  const watched = watch(socket);
  socket.on('open', () => socket.terminate());
  return watched;
}

/** Lets everything happen that is already due. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
}
