/** Argument of listeners that were added by `addEventListener` or an `on…` attribute (WHATWG WebSockets, DOM). */
export class Event<Target extends object = object> {
  /** `open`, `message`, `close` or `error`. */
  readonly type: string;
  /** The socket that emitted the event. */
  readonly target: Target;

  constructor(type: string, target: Target) {
    this.type = type;
    this.target = target;
  }
}

/** A `message` event. */
export class MessageEvent<Target extends object = object> extends Event<Target> {
  /** A string for text. Binary data has the form that `binaryType` names. */
  readonly data: string | Buffer | ArrayBuffer | Buffer[];

  constructor(type: string, target: Target, data: MessageEvent['data']) {
    super(type, target);
    this.data = data;
  }
}

/** A `close` event. */
export class CloseEvent<Target extends object = object> extends Event<Target> {
  /** The code of the peer's close frame; 1005 if it had none, 1006 if there was no close frame (RFC 6455 §7.1.5). */
  readonly code: number;
  /** The reason in the peer's close frame, or the empty string (§7.1.6). */
  readonly reason: string;
  /** True if both close frames were exchanged (§7.1.4). */
  readonly wasClean: boolean;

  constructor(type: string, target: Target, code: number, reason: string, wasClean: boolean) {
    super(type, target);
    this.code = code;
    this.reason = reason;
    this.wasClean = wasClean;
  }
}

/** An `error` event. */
export class ErrorEvent<Target extends object = object> extends Event<Target> {
  /** The error that was emitted. */
  // biome-ignore lint/suspicious/noExplicitAny: typed so for programs written for `ws`, which read `error.code`
  readonly error: any;
  /** The message of {@link error}. */
  readonly message: string;

  constructor(type: string, target: Target, error: Error) {
    super(type, target);
    this.error = error;
    this.message = error.message;
  }
}

/** The events of `addEventListener`, by name. */
export interface WebSocketListenerEvents<Target extends object = object> {
  open: Event<Target>;
  message: MessageEvent<Target>;
  close: CloseEvent<Target>;
  error: ErrorEvent<Target>;
}

/** A function, or an object with a method `handleEvent`. */
export type EventListenerOf<Target extends object, E extends Event<Target>> =
  | ((this: Target, event: E) => void)
  | { handleEvent(event: E): void };
