import { performance } from 'node:perf_hooks';

/**
 * Number of consecutive timers in a time limit. Otherwise data that arrived while this process was delayed would be
 * read only after the limit has passed.
 */
const slices = 8;

/** Minimum part of a slice that a timer counts, so that a limit grows to at most ten times its length. */
const smallestPart = 0.1;

/**
 * Time limit that grows on a busy machine. It counts the time in which this process ran or was idle, and not the time
 * in which it waited for a processor.
 */
export class Patience {
  readonly #slice: number;
  readonly #onOver: () => void;
  readonly #timer: NodeJS.Timeout;
  #left = slices;
  #utilization = performance.eventLoopUtilization();
  #cpu = process.cpuUsage();

  /** Calls `onOver` once, after `milliseconds`. */
  constructor(milliseconds: number, onOver: () => void) {
    this.#slice = milliseconds / slices;
    this.#onOver = onOver;
    this.#timer = setInterval(() => this.#tick(), this.#slice);
  }

  /** Restarts the time limit. */
  restart(): void {
    this.#left = slices;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    this.#left -= Math.min(1, Math.max(smallestPart, this.#takeTime() / this.#slice));
    // Half a slice is less than the difference between the clocks of the event loop and of the processor over eight
    // slices.
    if (this.#left > 0.5) return;
    this.stop();
    this.#onOver();
  }

  /** Returns the milliseconds since the last call in which this process ran or was idle. */
  #takeTime(): number {
    const utilization = performance.eventLoopUtilization();
    const cpu = process.cpuUsage();
    const idle = utilization.idle - this.#utilization.idle;
    const active = utilization.active - this.#utilization.active;
    const ran = (cpu.user + cpu.system - this.#cpu.user - this.#cpu.system) / 1000;
    this.#utilization = utilization;
    this.#cpu = cpu;
    return idle + Math.min(active, ran);
  }
}
