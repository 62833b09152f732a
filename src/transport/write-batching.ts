import { afterPoll } from '../event-loop/after-poll.ts';
import { afterTick } from '../event-loop/after-tick.ts';
import { monotonicTime } from '../event-loop/monotonic-time.ts';

/** Holds octets back for a moment, so that they leave in one write. */
export interface Flushable {
  /** Writes the octets. Throws nothing. */
  flush(): void;
}

// When queued octets are written:
// - Sent outside of a data event: at the end of the tick.
// - Sent to many connections: at the end of the poll phase of libuv, in which all readable sockets are read. All that the listeners of
//   these sockets have sent to one connection then leaves in one write.
// - Sent inside a data event, while few connections receive data: at the end of the data event.
// - Sent inside a data event, while many connections receive data: in a batch with other connections, which is flushed at the end of the
//   poll phase, or before if it has 64 connections or is older than 0.25 ms. The answers to all of them then leave together. A peer that
//   handles one answer need not be woken for the next, and waking a peer is the largest cost of a write.

let atEndOfTick: Flushable[] = [];
let current: Flushable | null = null;
let isWatchingExit = false;
let isExiting = false;

/** Queues a flush for the end of this tick, so that all sends of a tick leave in one write. */
export function flushAtEndOfTick(one: Flushable): void {
  if (atEndOfTick.push(one) === 1) {
    if (isExiting) flushTick();
    else afterTick(flushTick);
  }
}

let atEndOfPoll: Flushable[] = [];

/** Queues a flush for the end of the poll phase, when all sockets that are readable now have been read. */
export function flushAtEndOfPoll(one: Flushable): void {
  if (atEndOfPoll.push(one) === 1) {
    if (isExiting) flushPoll();
    else afterPoll(flushPoll);
  }
}

function flushPoll(): void {
  const list = atEndOfPoll;
  atEndOfPoll = [];
  for (const one of list) one.flush();
}

/** Sets the connection whose data event runs now, or null. It flushes at the end of that event, or when the process exits. */
export function setCurrent(one: Flushable | null): void {
  current = one;
}

// Limits of a batch: its age in milliseconds and its number of connections. A batch that has reached one is flushed before the end of the
// phase. Both are checked only when a connection joins, so a batch may be older: a running handler is not interrupted.
const maxDelay = 0.25;
const maxBatch = 64;
// To wait for the end of the phase costs a little. After `maxQuietPhases` phases in a row with fewer than `minEvents` data events, it is
// not done for the next `pauseEvents` events.
const minEvents = 4;
const maxQuietPhases = 16;
const pauseEvents = 512;

let batch: Flushable[] = [];
let batchSince = 0;
let eventsInPhase = 0;
let isPhaseEndScheduled = false;
let quietPhases = 0;
let pause = 0;

/** Flushes after a data event: at once if few connections receive data, otherwise in a batch with other connections. */
export function flushAfterEvent(one: Flushable): void {
  if (pause > 0 || isExiting) {
    pause--;
    one.flush();
    return;
  }
  eventsInPhase++;
  if (batch.push(one) === 1) {
    batchSince = monotonicTime();
    if (!isPhaseEndScheduled) {
      isPhaseEndScheduled = true;
      afterPoll(endPhase);
    }
  } else if (batch.length === maxBatch || monotonicTime() - batchSince > maxDelay) {
    flushBatch();
  }
}

function endPhase(): void {
  isPhaseEndScheduled = false;
  quietPhases = eventsInPhase < minEvents ? quietPhases + 1 : 0;
  eventsInPhase = 0;
  if (quietPhases === maxQuietPhases) {
    quietPhases = 0;
    pause = pauseEvents;
  }
  flushBatch();
}

function flushBatch(): void {
  const list = batch;
  batch = [];
  for (const one of list) one.flush();
}

/** Flushes now what would otherwise be flushed at the end of the poll phase. */
export function flushPhase(): void {
  flushBatch();
  flushPoll();
}

function flushTick(): void {
  const list = atEndOfTick;
  atEndOfTick = [];
  for (const one of list) one.flush();
}

/**
 * Flushes everything when the process exits. Otherwise a message would be lost if the program calls `process.exit()` in the tick in which
 * it was sent. Call it before the first send.
 */
export function watchExit(): void {
  if (isWatchingExit) return;
  isWatchingExit = true;
  process.on('exit', () => {
    // There is no later tick, so what other listeners of this event send is written at once.
    isExiting = true;
    current?.flush();
    flushBatch();
    flushPoll();
    flushTick();
  });
}
