import { performance } from 'node:perf_hooks';

/**
 * Number of timers, one after the other, that a limit consists of. Otherwise what came while this process was held up would be read only
 * after the limit has passed.
 */
const slices = 8;

/** Smallest part of a slice that a timer counts: a limit grows to ten times its length at most. */
const smallestPart = 0.1;

/**
 * Time limit that grows on a busy machine. Counts the time in which this process ran or had nothing to do, and not the time in which it
 * waited for a processor.
 */
export class Patience {
  readonly #slice: number;
  readonly #onOver: () => void;
  readonly #timer: NodeJS.Timeout;
  #left = slices;
  #utilization = performance.eventLoopUtilization();
  #cpu = process.cpuUsage();

  /** Calls `onOver` once, after so many milliseconds. */
  constructor(milliseconds: number, onOver: () => void) {
    this.#slice = milliseconds / slices;
    this.#onOver = onOver;
    this.#timer = setInterval(() => this.#tick(), this.#slice);
  }

  /** Begins to count anew. */
  restart(): void {
    this.#left = slices;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    this.#left -= Math.min(1, Math.max(smallestPart, this.#takeTime() / this.#slice));
    // Half a slice is less than what the clocks of the event loop and of the processor differ by in eight slices.
    if (this.#left > 0.5) return;
    this.stop();
    this.#onOver();
  }

  /** Returns the milliseconds since the last call in which this process ran or had nothing to do. */
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
