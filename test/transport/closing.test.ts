import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ClosingState, type StreamEvent, type StreamState, steps } from '../../src/transport/closing.ts';

const closeTimeout = 5000;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** A stream that emits nothing by itself: the test plays its events. */
function silentStream(): Duplex {
  return new Duplex({ read() {}, write() {}, final() {}, emitClose: false, autoDestroy: false });
}

/** A ClosingState on a stream, and the calls that it has made. */
function closing(stream: Duplex = silentStream(), settings = { closeTimeout }) {
  const log: string[] = [];
  vi.spyOn(stream, 'end').mockImplementation(() => {
    log.push('end');
    return stream;
  });
  const late: boolean[] = [];
  const destroyStream = (isLate: boolean) => {
    log.push('destroy');
    late.push(isLate);
  };
  const state = new ClosingState({ stream, settings, destroyStream });
  const handle = (...events: readonly StreamEvent[]): void => {
    for (const event of events) {
      if (event === 'timedOut' && state.timer !== null) vi.advanceTimersToNextTimer();
      else if (event === 'timedOut') state.timerFired();
      else state.handle(event);
    }
  };
  return { state, stream, log, late, handle };
}

/** Milliseconds until the close timer fires; null if none runs. */
function timeLeft(): number | null {
  if (vi.getTimerCount() === 0) return null;
  const before = Date.now();
  vi.advanceTimersToNextTimer();
  return Date.now() - before;
}

/** A way to each state. */
const ways: Record<StreamState, readonly StreamEvent[]> = {
  open: [],
  closing: ['closeBegun'],
  waitingForServer: ['closeBegun', 'doneAsClient'],
  oursEnded: ['done'],
  oursFinished: ['done', 'finished'],
  bothEnded: ['peerEnded'],
  bothFinished: ['done', 'finished', 'peerEnded'],
  closed: ['closed'],
};

/**
 * Expected next state of each state and event. A dot is the same state; `!` ends our side, `x` destroys the stream. A number is the time
 * left of the timer in milliseconds, and `-` no timer. Each stream is clean, and the timer has run for 400 ms before the event.
 */
const expected = `
                 | closeBegun   | done            | doneAsClient          | peerEnded       | finished          | timedOut        | closed
open             | closing 5000 | oursEnded! 5000 | waitingForServer 1000 | bothEnded! 5000 | . -               | . -             | closed -
closing          | . 4600       | oursEnded! 4600 | waitingForServer 1000 | bothEnded! 4600 | . 4600            | .x -            | closed -
waitingForServer | . 600        | . 600           | . 600                 | bothEnded! 5000 | . 600             | oursEnded! 5000 | closed -
oursEnded        | . 4600       | . 4600          | . 4600                | bothEnded 4600  | oursFinished 4600 | .x -            | closed -
oursFinished     | . 4600       | . 4600          | . 4600                | bothFinished 0  | . 4600            | .x -            | closed -
bothEnded        | . 4600       | . 4600          | . 4600                | . 4600          | bothFinished 0    | .x -            | closed -
bothFinished     | . 0          | . 0             | . 0                   | . 0             | . 0               | .x -            | closed -
closed           | . -          | . -             | . -                   | . -             | . -               | . -             | . -
`;

const [events, ...rows] = expected
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => line.split('|').map((cell) => cell.trim()));
const cells = rows.flatMap(([state, ...row]) =>
  row.map((cell, i) => [state as StreamState, events![i + 1] as StreamEvent, cell] as const),
);

describe('the table of how a stream ends', () => {
  test('has a cell for each state and event', () => {
    const named = cells.map(([state, event]) => `${state} ${event}`);
    const inTable = Object.entries(steps).flatMap(([state, row]) =>
      Object.keys(row).map((event) => `${state} ${event}`),
    );
    expect(named).toEqual(inTable);
    expect(named).toHaveLength(56);
  });

  test.each(cells)('in %s, %s leads to: %s', (from, event, cell) => {
    const { state, log, handle } = closing();
    state.recordEnd('closed');
    handle(...ways[from]);
    expect(state.state).toBe(from);
    // The timer of `bothFinished` fires at once.
    if (from !== 'bothFinished') vi.advanceTimersByTime(400);
    const before = log.length;
    handle(event);
    const [, next, effect, time] = /^(\w+|\.)([!x]?) (\d+|-)$/.exec(cell)!;
    expect(state.state).toBe(next === '.' ? from : next);
    expect(log.slice(before)).toEqual(effect === '!' ? ['end'] : effect === 'x' ? ['destroy'] : []);
    expect(state.timer === null ? '-' : `${timeLeft()}`).toBe(time);
  });
});

describe('the close timer', () => {
  test('does not start on a stream that is destroyed', () => {
    const { state, stream, handle } = closing();
    stream.destroy();
    handle('closeBegun');
    expect([state.state, state.timer, vi.getTimerCount()]).toEqual(['closing', null, 0]);
  });

  test('destroys the stream when it fires', () => {
    const { state, log, handle } = closing();
    handle('closeBegun');
    vi.advanceTimersByTime(closeTimeout - 1);
    expect(log).toEqual([]);
    vi.advanceTimersByTime(1);
    expect([log, state.timer]).toEqual([['destroy'], null]);
  });

  test('is not made shorter for a client that waits for the server if closeTimeout is below a second', () => {
    const { log, handle } = closing(silentStream(), { closeTimeout: 100 });
    handle('closeBegun');
    vi.advanceTimersByTime(60);
    handle('doneAsClient');
    vi.advanceTimersByTime(40);
    expect(log).toEqual(['end']);
    vi.advanceTimersByTime(100);
    expect(log).toEqual(['end', 'destroy']);
  });

  test('takes a closeTimeout that was changed meanwhile', () => {
    const settings = { closeTimeout: 1 };
    const { log, handle } = closing(silentStream(), settings);
    settings.closeTimeout = 200;
    handle('closeBegun');
    vi.advanceTimersByTime(199);
    expect(log).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(log).toEqual(['destroy']);
  });
});

test('only a stream that is destroyed after closeTimeout is late, not one that has ended in order', () => {
  const late = (protocol: 'closed' | 'open', ...events: readonly StreamEvent[]) => {
    const { state, late, handle } = closing();
    state.recordEnd(protocol);
    handle(...events);
    vi.runAllTimers();
    return late;
  };
  expect(late('closed', 'done', 'finished', 'peerEnded')).toEqual([false]);
  expect(late('open', 'done', 'finished', 'peerEnded')).toEqual([true]);
  expect(late('closed', 'done', 'finished')).toEqual([true]);
  expect(late('open', 'closeBegun')).toEqual([true]);
});

describe('a stream of which both sides have ended', () => {
  test('is left to the close timer if the closing handshake was not completed', () => {
    const { state, handle } = closing();
    state.recordEnd('open');
    handle('peerEnded', 'finished');
    expect([state.state, state.wasClean, timeLeft()]).toEqual(['bothFinished', false, closeTimeout]);
  });

  test('may finish inside of end()', () => {
    const { state, stream, handle } = closing();
    state.recordEnd('closed');
    vi.spyOn(stream, 'end').mockImplementation(() => {
      handle('finished');
      return stream;
    });
    handle('peerEnded');
    expect([state.state, timeLeft()]).toEqual(['bothFinished', 0]);
  });

  test.each([
    ['a socket, which destroys itself', () => new Socket(), 0],
    ['another stream', silentStream, 1],
  ])('is listened to until it has finished: %s', (_name, create, listeners) => {
    const { stream, handle } = closing(create());
    handle('done');
    expect(stream.listenerCount('finish')).toBe(listeners);
  });
});

test('the state of the protocol at the end is the first one recorded', () => {
  const { state } = closing();
  expect([state.stateAtEnd, state.wasClean]).toEqual([null, false]);
  state.recordEnd('closed');
  state.recordEnd('ended');
  expect([state.stateAtEnd, state.wasClean]).toEqual(['closed', true]);
});
