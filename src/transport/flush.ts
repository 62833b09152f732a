import { setImmediate } from 'node:timers';

/** Something that holds octets back for a moment, to write them together. */
export interface Flushable {
  flush(): void;
}

// Moments at which what was sent is written:
// - the end of the tick, for sends outside of any data event;
// - the end of the poll phase, for what is sent to many: what the listeners of all sockets that were readable at once have sent to one
//   of them then leaves in one write;
// - the end of the data event, while one connection at a time has something to say;
// - the end of the poll phase (libuv's: all sockets that were readable at once), while many have. The answers to all of them then
//   leave one behind the other. A peer that is handling one answer need not be woken for the next, which is what a write costs most.

let dirty: Flushable[] = [];
let current: Flushable | null = null;
let isWatchingExit = false;
let isExiting = false;

// Kept, because a test of the application that fakes timers would stop all connections of the process: the fake ones may never come.
/** `process.nextTick`, as it was when this was loaded. */
export const afterTick = process.nextTick;
/** `setImmediate` of `node:timers`, as it was when this module was loaded. In Jest with jsdom there is no global `setImmediate`. */
export const afterPoll = setImmediate;

/** Flushes at the end of this tick: all sends of a tick leave in one write. */
export function flushAtEndOfTick(one: Flushable): void {
  if (dirty.push(one) === 1) {
    if (isExiting) flushDirty();
    else afterTick(flushDirty);
  }
}

let forMany: Flushable[] = [];

/** Flushes when all sockets that are readable just now have been read. */
export function flushAtEndOfPoll(one: Flushable): void {
  if (forMany.push(one) === 1) {
    if (isExiting) flushForMany();
    else afterPoll(flushForMany);
  }
}

function flushForMany(): void {
  const list = forMany;
  forMany = [];
  for (const one of list) one.flush();
}

/** Says who handles received data just now, and flushes by itself at the end of it; null for nobody. */
export function setCurrent(one: Flushable | null): void {
  current = one;
}

/** Nobody waits for another handler once this many milliseconds have gone, nor for more than so many; one that runs is not stopped. */
const mostDelay = 0.25;
const mostWaiting = 64;
// Waiting for the end of the phase costs a little. Where a few phases bring it hardly anybody, it is not done for a while.
const fewEvents = 4;
const quietPhases = 16;
const pauseEvents = 512;

let collected: Flushable[] = [];
let collectedSince = 0;
let collectedInPhase = 0;
let isPhaseEndScheduled = false;
let quiet = 0;
let pause = 0;

/** Flushes after a data event: at once, or soon and with others. */
export function flushAfterEvent(one: Flushable): void {
  if (pause > 0 || isExiting) {
    pause--;
    one.flush();
    return;
  }
  collectedInPhase++;
  if (collected.push(one) === 1) {
    collectedSince = performance.now();
    if (!isPhaseEndScheduled) {
      isPhaseEndScheduled = true;
      afterPoll(endPhase);
    }
  } else if (collected.length === mostWaiting || performance.now() - collectedSince > mostDelay) {
    flushCollected();
  }
}

function endPhase(): void {
  isPhaseEndScheduled = false;
  quiet = collectedInPhase < fewEvents ? quiet + 1 : 0;
  collectedInPhase = 0;
  if (quiet === quietPhases) {
    quiet = 0;
    pause = pauseEvents;
  }
  flushCollected();
}

function flushCollected(): void {
  const list = collected;
  collected = [];
  for (const one of list) one.flush();
}

function flushDirty(): void {
  const list = dirty;
  dirty = [];
  for (const one of list) one.flush();
}

/** A program that sends and then calls `process.exit()` in the same tick expects its message to leave: called by whoever will send. */
export function watchExit(): void {
  if (isWatchingExit) return;
  isWatchingExit = true;
  process.on('exit', () => {
    // What other listeners of this event send will have no later tick.
    isExiting = true;
    current?.flush();
    flushCollected();
    flushForMany();
    flushDirty();
  });
}
