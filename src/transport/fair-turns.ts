import { AsyncResource } from 'node:async_hooks';
import { afterPoll } from '../event-loop/after-poll.ts';
import { callGuarded } from '../event-loop/after-tick.ts';
import { monotonicTime } from '../event-loop/monotonic-time.ts';
import { flushPhase } from './write-batching.ts';

// Fairness between connections. A turn is one iteration of the event loop. Without a budget, a peer that floods small frames would keep the
// loop: a chunk of 64 KiB has up to 32 768 frames, and libuv reads one socket up to 32 times in a row.
//
// - In a turn, each connection may process 64 frames of a chunk, or frames for about 1 ms.
//   Connections that are read by turns, because their listeners pause and resume them, share that time.
// - What it processes beyond that is taken from a budget that all connections share: 5 ms a turn. Without it, fast senders would be paused too
//   often.
// - What is left waits, and the stream is paused meanwhile. At the end of each turn all waiting connections together get what is left of the
//   5 ms, and at least 1 ms, in slices and round robin.
//
// A clock is read every few frames only, and the end of a turn is awaited only in turns in which a connection has much to read.

/** Number of frames that a connection processes before {@link FairTurns.moreFrames} is called. */
export const firstFrames = 16;
/** Number of frames of one chunk, or of one slice while others wait. */
export const maxFrames = 64;
/** Number of milliseconds of one connection. Checked between frames: a handler is not interrupted. */
const maxTime = 1;
/** Number of milliseconds that all connections share in a turn, beyond the two limits above. */
const maxTimeOfAll = 5;
/** Number of chunks that a connection processes before the clock is read for each chunk. */
const freeChunks = 8;

/** A connection that reads. Only this file uses the fields. */
export interface Reading {
  /** Number of the turn in which this connection read last. */
  turn: number;
  /** Number of chunks that it has read since then. */
  chunks: number;
}

/** Functions of the platform that {@link FairTurns} uses. */
export interface Platform {
  /** Returns milliseconds since an arbitrary moment. */
  readonly now: () => number;
  /** Calls back at the end of the poll phase. */
  readonly atEndOfTurn: (callback: () => void) => void;
  /** Flushes the answers of all connections. */
  readonly flush: () => void;
}

/** The budgets of a turn, and the connections that wait because they have used up theirs. */
export class FairTurns {
  readonly #platform: Platform;
  /** Number of the current turn. Turns are counted only while their end is awaited. */
  #turn = 0;
  #isEndAwaited = false;
  #isInEnd = false;
  /** Milliseconds of the shared budget that are used up in this turn. */
  #extra = 0;
  #waiting: (() => void)[] = [];
  /** Number of connections of the current round that are still to be served. */
  #behind = 0;
  /** Number of frames of the current chunk up to the next check. */
  #frames = firstFrames;
  /** Time of the first check of the current chunk, or of the first chunk of {@link #timed}; -1 before. */
  #since = -1;
  /** Time of the last check. */
  #lastCheck = 0;
  /** Time of the last chunk that was the first timed one of its connection in the turn. */
  #timedSince = 0;
  /** The connection whose chunks are timed together; null if none is. */
  #timed: Reading | null = null;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Called before a connection processes a chunk. Returns false if the chunk has to wait by {@link wait}. */
  mayRead(one: Reading): boolean {
    this.#frames = firstFrames;
    if (one.turn !== this.#turn) {
      // A connection that read many chunks in the previous turn is timed from its first chunk on.
      const wasBusy = one.turn === this.#turn - 1 && one.chunks > freeChunks + 1;
      one.chunks = wasBusy ? freeChunks : 0;
      one.turn = this.#turn;
    }
    // So is one that had to wait.
    if (this.#isInEnd) one.chunks = freeChunks;
    if (this.#isInEnd || ++one.chunks <= freeChunks) {
      this.#timed = null;
      this.#since = -1;
      return true;
    }
    this.#awaitEnd();
    const now = this.#platform.now();
    if (this.#timed === one) return this.#hasTime(now);
    this.#timed = one;
    if (one.chunks > freeChunks + 1) {
      // Otherwise two connections whose listeners pause and resume at each message would start each other's time anew, and keep the loop:
      // they are resumed in ticks, by turns.
      this.#since = this.#timedSince;
      return this.#hasTime(now);
    }
    this.#timedSince = now;
    this.#since = now;
    this.#lastCheck = now;
    return true;
  }

  /** Called when a connection has processed its frames. Returns the number of further frames; 0 if the rest has to wait. */
  moreFrames(): number {
    const now = this.#platform.now();
    if (this.#since < 0) {
      this.#since = now;
      this.#lastCheck = now;
    }
    if (this.#frames < maxFrames) {
      const more = this.#frames;
      this.#frames *= 2;
      return this.#hasTime(now) ? more : 0;
    }
    if (this.#isInEnd && this.#behind + this.#waiting.length > 0) return 0;
    return this.#hasTime(now, 0) ? maxFrames : 0;
  }

  /**
   * True if the connection that reads has time left: its own, or of the shared budget, from which the time since the last check is taken.
   * @param own Number of milliseconds of its own.
   */
  #hasTime(now: number, own: number = maxTime): boolean {
    const spent = now - this.#lastCheck;
    this.#lastCheck = now;
    if (now - this.#since < (this.#isInEnd ? maxTime : own)) return true;
    // A slice ends here, and the connection waits again.
    if (this.#isInEnd) return false;
    this.#awaitEnd();
    this.#extra += spent;
    return this.#extra < maxTimeOfAll;
  }

  /**
   * Calls back at the end of this turn or of a later one, behind all that wait already. The callback processes one slice, and waits again
   * if anything is left.
   */
  wait(callback: () => void): void {
    // Otherwise a listener would run in the asynchronous context of another connection.
    const resource = new AsyncResource('GoodwireTurn');
    this.#waiting.push(() => resource.runInAsyncScope(callback));
    this.#awaitEnd();
  }

  #awaitEnd(): void {
    if (this.#isEndAwaited) return;
    this.#isEndAwaited = true;
    this.#platform.atEndOfTurn(() => this.#endTurn());
  }

  #endTurn(): void {
    const { now, flush } = this.#platform;
    this.#turn++;
    this.#timed = null;
    // Otherwise the answers of connections that have not used up their budget would wait until the others were served.
    flush();
    const end = now() + Math.max(maxTimeOfAll - this.#extra, maxTime);
    this.#extra = 0;
    this.#isInEnd = true;
    while (this.#waiting.length > 0 && this.#serveRound(end));
    this.#isInEnd = false;
    this.#isEndAwaited = false;
    flush();
    if (this.#waiting.length > 0) this.#awaitEnd();
  }

  /** Serves each waiting connection once. Returns false if the time was over before that. */
  #serveRound(end: number): boolean {
    const round = this.#waiting;
    this.#waiting = [];
    for (let i = 0; i < round.length; i++) {
      if (i > 0 && this.#platform.now() >= end) {
        // In front of those that wait again.
        this.#waiting = round.slice(i).concat(this.#waiting);
        return false;
      }
      this.#behind = round.length - i - 1;
      // Guarded: otherwise an error of a listener would keep the connections behind this one from being served.
      callGuarded(round[i]!);
    }
    return this.#platform.now() < end;
  }
}

/** The turns of this thread's event loop. */
export const fairTurns = new FairTurns({ now: monotonicTime, atEndOfTurn: afterPoll, flush: flushPhase });
