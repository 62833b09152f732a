import type { Clock } from './clock.ts';

/** Calls that a {@link Heartbeat} makes to its connection. */
export interface HeartbeatHooks {
  /** Called after a period of silence: the peer is to be asked for a sign of life. */
  ask(): void;
  /** Called after a second period of silence. */
  silent(): void;
}

/** Finds out that a connection is dead: after one period of silence it asks for a sign of life, after a second one it gives up. */
export class Heartbeat {
  readonly #clock: Clock;
  /** Milliseconds; 0 turns the heartbeat off. */
  readonly #period: number;
  readonly #hooks: HeartbeatHooks;
  #timer: unknown;
  #isRunning = false;
  #wasActive = false;
  #hasAsked = false;

  constructor(clock: Clock, period: number, hooks: HeartbeatHooks) {
    this.#clock = clock;
    this.#period = period;
    this.#hooks = hooks;
  }

  start(): void {
    if (this.#period === 0) return;
    this.#isRunning = true;
    this.#wasActive = false;
    this.#timer = this.#clock.setTimeout(() => this.#check(), this.#period);
  }

  stop(): void {
    if (this.#isRunning) this.#clock.clearTimeout(this.#timer);
    this.#isRunning = false;
  }

  /** Notes a sign of life of the peer. */
  noteActivity(): void {
    this.#wasActive = true;
  }

  #check(): void {
    if (this.#wasActive) this.#hasAsked = false;
    else if (this.#hasAsked) {
      this.#isRunning = false;
      this.#hooks.silent();
      return;
    } else {
      this.#hasAsked = true;
      this.#hooks.ask();
    }
    // Asking may have ended the connection, which has stopped this heartbeat.
    if (this.#isRunning) this.start();
  }
}
