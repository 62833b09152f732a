import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionState } from '../connection/connection-state.ts';
import { expectClose, listenToFinish } from './stream-listeners.ts';
import type { TimerHandle } from './timer.ts';

/** States of a stream with two sides, ours and the peer's, from the first close frame to its end; see {@link steps}. */
export type StreamState =
  | 'open'
  | 'closing'
  | 'waitingForServer'
  | 'oursEnded'
  | 'oursFinished'
  | 'bothEnded'
  | 'bothFinished'
  | 'closed';

/** Events that lead a stream to its end. */
export type StreamEvent =
  /** Our close frame was sent or queued, the peer's was received, or the connection failed. */
  | 'closeBegun'
  /** Nothing more is to be sent. */
  | 'done'
  /** The `done` of a client whose closing handshake is complete: the server is to end the stream first (§7.1.1). */
  | 'doneAsClient'
  /** The stream has emitted 'end'. */
  | 'peerEnded'
  /** The stream has emitted 'finish'. It is listened to only on streams that are not sockets, once we have ended our side. */
  | 'finished'
  /** The close timer has fired. */
  | 'timedOut'
  /** The stream has emitted 'close', and everything received has been delivered. */
  | 'closed';

/** Effects of an event. */
type Action =
  /** Starts the close timer with `closeTimeout`, unless a timer runs. */
  | 'startTimer'
  /** Starts the timer for the server's end of the stream. */
  | 'waitForServer'
  /** Ends our side, and starts the close timer as above. */
  | 'endOurs'
  /** Ends our side, and starts the close timer anew. */
  | 'endOursAfterWait'
  /** Destroys the stream on a later tick if the closing handshake was completed. */
  | 'destroySoon'
  | 'destroy'
  | 'stopTimer';

type Step = readonly [next: StreamState, action?: Action];

/**
 * Table of the end of a stream: for each state and event the next state and the action. The states of the protocol are another table,
 * `src/connection/connection-state.ts`.
 *
 * ```
 *   open ── close begun ──▶ closing
 *     │                        │
 *     ├────────────────────────┤
 *     │ done                   │ done, as a client
 *     ▼         timed out      ▼
 *   oursEnded ◀───────── waitingForServer          open, closing,
 *     │      │                                     waitingForServer
 *     │      └─────── peer ended ──────┐              │ peer ended
 *     │ finished                       ▼              │
 *     ▼                             bothEnded ◀───────┘
 *   oursFinished                       │
 *     │ peer ended                     │ finished
 *     └────────▶ bothFinished ◀────────┘
 *
 *   any ── closed ──▶ closed
 *   any but open and waitingForServer ── timed out ──▶ the stream is destroyed, and closes
 * ```
 */
export const steps = {
  /** Neither side has ended, and no timer runs. */
  open: {
    closeBegun: ['closing', 'startTimer'],
    done: ['oursEnded', 'endOurs'],
    doneAsClient: ['waitingForServer', 'waitForServer'],
    peerEnded: ['bothEnded', 'endOurs'],
    finished: ['open'],
    timedOut: ['open'],
    closed: ['closed'],
  },
  /** Neither side has ended. The close timer runs. */
  closing: {
    closeBegun: ['closing', 'startTimer'],
    done: ['oursEnded', 'endOurs'],
    doneAsClient: ['waitingForServer', 'waitForServer'],
    peerEnded: ['bothEnded', 'endOurs'],
    finished: ['closing'],
    timedOut: ['closing', 'destroy'],
    closed: ['closed', 'stopTimer'],
  },
  /** A client leaves the end of the stream to the server for a time (§7.1.1). */
  waitingForServer: {
    closeBegun: ['waitingForServer', 'startTimer'],
    done: ['waitingForServer'],
    doneAsClient: ['waitingForServer'],
    peerEnded: ['bothEnded', 'endOursAfterWait'],
    finished: ['waitingForServer'],
    timedOut: ['oursEnded', 'endOursAfterWait'],
    closed: ['closed', 'stopTimer'],
  },
  /** We have ended our side. Octets may still wait for the kernel. */
  oursEnded: {
    closeBegun: ['oursEnded', 'startTimer'],
    done: ['oursEnded'],
    doneAsClient: ['oursEnded'],
    peerEnded: ['bothEnded'],
    finished: ['oursFinished'],
    timedOut: ['oursEnded', 'destroy'],
    closed: ['closed', 'stopTimer'],
  },
  /** We have ended our side, and all octets have been passed on. */
  oursFinished: {
    closeBegun: ['oursFinished', 'startTimer'],
    done: ['oursFinished'],
    doneAsClient: ['oursFinished'],
    peerEnded: ['bothFinished', 'destroySoon'],
    finished: ['oursFinished'],
    timedOut: ['oursFinished', 'destroy'],
    closed: ['closed', 'stopTimer'],
  },
  /** Both sides have ended. Octets may still wait for the kernel. */
  bothEnded: {
    closeBegun: ['bothEnded', 'startTimer'],
    done: ['bothEnded'],
    doneAsClient: ['bothEnded'],
    peerEnded: ['bothEnded'],
    finished: ['bothFinished', 'destroySoon'],
    timedOut: ['bothEnded', 'destroy'],
    closed: ['closed', 'stopTimer'],
  },
  /** Both sides have ended, and all octets have been passed on. A socket destroys itself now; other streams may not. */
  bothFinished: {
    closeBegun: ['bothFinished', 'startTimer'],
    done: ['bothFinished'],
    doneAsClient: ['bothFinished'],
    peerEnded: ['bothFinished'],
    finished: ['bothFinished'],
    timedOut: ['bothFinished', 'destroy'],
    closed: ['closed', 'stopTimer'],
  },
  /** The stream is closed. */
  closed: {
    closeBegun: ['closed'],
    done: ['closed'],
    doneAsClient: ['closed'],
    peerEnded: ['closed'],
    finished: ['closed'],
    timedOut: ['closed'],
    closed: ['closed'],
  },
} as const satisfies Record<StreamState, Record<StreamEvent, Step>>;

/** Maximum number of milliseconds that a client waits for the server to end the stream (§7.1.1). */
const maxWaitForServer = 1000;

/** The connection whose stream is ended. */
export interface ClosingHost {
  readonly stream: Duplex;
  readonly settings: { readonly closeTimeout: number };
  /** Destroys the stream, because the close timer has fired. `isLate` is true if `closeTimeout` has passed. */
  destroyStream(isLate: boolean): void;
}

/** The end of one stream: its state, its timer, and the state of the protocol when the stream ended. */
export class ClosingState {
  readonly #host: ClosingHost;
  #state: StreamState = 'open';
  #timer: TimerHandle | null = null;
  #stateAtEnd: ConnectionState | null = null;

  constructor(host: ClosingHost) {
    this.#host = host;
  }

  get state(): StreamState {
    return this.#state;
  }

  /** The close timer; null if none runs. */
  get timer(): TimerHandle | null {
    return this.#timer;
  }

  /** State of the protocol when the stream ended; null before. */
  get stateAtEnd(): ConnectionState | null {
    return this.#stateAtEnd;
  }

  /** True if the stream ended after the closing handshake was complete (§7.1.4). */
  get wasClean(): boolean {
    return this.#stateAtEnd === 'closed';
  }

  /** Records the state of the protocol at the end of the stream. Later calls have no effect. */
  recordEnd(state: ConnectionState): void {
    this.#stateAtEnd ??= state;
  }

  /** Takes the step of {@link steps} for an event. */
  handle(event: StreamEvent): void {
    const [next, action]: Step = steps[this.#state][event];
    // Before the action: end() of a stream in memory may emit further events inside the call.
    this.#state = next;
    if (action !== undefined) this.#act(action);
  }

  /** @internal */
  timerFired(): void {
    this.#timer = null;
    this.handle('timedOut');
  }

  #act(action: Action): void {
    const { closeTimeout } = this.#host.settings;
    switch (action) {
      case 'startTimer':
        this.#startTimer(closeTimeout);
        break;
      case 'waitForServer':
        this.#startTimer(Math.min(maxWaitForServer, closeTimeout));
        break;
      case 'endOurs':
        this.#endOurs();
        break;
      case 'endOursAfterWait':
        this.#stopTimer();
        this.#endOurs();
        break;
      case 'destroySoon':
        // Otherwise a stream composed of others would lose octets that the inner streams have not passed on.
        if (this.wasClean) this.#startTimer(0);
        break;
      case 'destroy':
        // The timer of 'destroySoon' is no time limit.
        this.#host.destroyStream(this.#state !== 'bothFinished' || !this.wasClean);
        break;
      case 'stopTimer':
        this.#stopTimer();
        break;
      default:
        action satisfies never;
    }
  }

  #endOurs(): void {
    const { stream, settings } = this.#host;
    // A socket destroys itself when both of its sides have ended. Other streams may not, and are destroyed after 'finish'.
    if (!(stream instanceof Socket)) listenToFinish(stream);
    stream.end();
    this.#startTimer(settings.closeTimeout);
  }

  /** Starts the timer. A running timer is replaced only if `delay` is not `closeTimeout`. */
  #startTimer(delay: number): void {
    const { stream, settings } = this.#host;
    if (stream.destroyed) {
      expectClose(stream, settings.closeTimeout);
      return;
    }
    if (this.#timer !== null) {
      if (delay === settings.closeTimeout) return;
      clearTimeout(this.#timer);
    }
    // The function is shared: a closure would cost memory for each closing connection.
    this.#timer = setTimeout(onTimer, delay, this);
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

function onTimer(closing: ClosingState): void {
  closing.timerFired();
}
