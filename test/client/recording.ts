import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ConnectEvents } from '../../src/client/connect.ts';
import type { ClientAgreement } from '../../src/handshake/client-handshake.ts';

/** Result of an attempt to connect. */
export interface Outcome {
  readonly error?: Error & { readonly code?: string; readonly status?: number; readonly cause?: unknown };
  readonly socket?: Duplex;
  readonly head?: Buffer;
  readonly agreement?: ClientAgreement;
}

/** Reactions of a test to events. */
export interface Reactions {
  upgrade?: (response: IncomingMessage) => boolean;
  open?: (socket: Duplex) => void;
  unexpectedResponse?: (request: ClientRequest, response: IncomingMessage) => boolean;
  redirect?: (url: string, request: ClientRequest) => void;
}

/** Records the events of an attempt to connect. */
export class Recording implements ConnectEvents {
  /** Events by name, in order. */
  readonly events: string[] = [];
  /** True if an event was reported synchronously, before `started()` was called. */
  wasSynchronous = false;
  /** Resolves at the first `open` or `error`. */
  readonly outcome: Promise<Outcome>;
  readonly #reactions: Reactions;
  #resolve: (outcome: Outcome) => void = () => {};
  #hasStarted = false;

  constructor(reactions: Reactions = {}) {
    this.#reactions = reactions;
    this.outcome = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  started(): void {
    this.#hasStarted = true;
  }

  hasRedirectListener(): boolean {
    return this.#reactions.redirect !== undefined;
  }

  onUpgrade(response: IncomingMessage): boolean {
    this.#record('upgrade');
    return this.#reactions.upgrade?.(response) ?? true;
  }

  onOpen(socket: Duplex, head: Buffer, agreement: ClientAgreement): void {
    this.#record('open');
    this.#reactions.open?.(socket);
    this.#resolve({ socket, head, agreement });
  }

  onUnexpectedResponse(request: ClientRequest, response: IncomingMessage): boolean {
    this.#record('unexpected-response');
    return this.#reactions.unexpectedResponse?.(request, response) ?? false;
  }

  onRedirect(url: string, request: ClientRequest): void {
    this.#record('redirect');
    this.#reactions.redirect?.(url, request);
  }

  onError(error: Error): void {
    this.#record('error');
    this.#resolve({ error });
  }

  #record(event: string): void {
    this.events.push(event);
    if (!this.#hasStarted) this.wasSynchronous = true;
  }
}
