import { performance } from 'node:perf_hooks';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Patience } from '../../autobahn/patience.ts';

/** Milliseconds for which the event loop was idle and active, and the process ran. */
let idle = 0;
let active = 0;
let ran = 0;

beforeEach(() => {
  [idle, active, ran] = [0, 0, 0];
  vi.useFakeTimers();
  vi.spyOn(performance, 'eventLoopUtilization').mockImplementation(() => ({ idle, active, utilization: 0 }));
  vi.spyOn(process, 'cpuUsage').mockImplementation(() => ({ user: ran * 1000, system: 0 }));
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Lets time pass. The process is idle and runs for the given shares, and waits for a processor for the rest. */
function pass(milliseconds: number, idlePart: number, ranPart: number): void {
  for (let i = 0; i < milliseconds; i++) {
    idle += idlePart;
    active += 1 - idlePart;
    ran += ranPart;
    vi.advanceTimersByTime(1);
  }
}

describe('a limit of 800 ms', () => {
  test.each([
    ['has nothing to do', 1, 0, 800],
    ['runs all the time', 0, 1, 800],
    ['runs half of the time, and has nothing to do in the other half', 0.5, 0.5, 800],
    ['runs on several processors at once', 0, 3, 800],
    ['waits for a processor half of the time', 0, 0.5, 1600],
    ['waits for a processor half of the time, and has nothing to do in the other half', 0.5, 0, 1600],
    ['never gets a processor', 0, 0, 8000],
  ])('expires in time for a process that %s', (_what, idlePart, ranPart, milliseconds) => {
    const onOver = vi.fn();
    new Patience(800, onOver);
    pass(milliseconds - 110, idlePart, ranPart);
    if (milliseconds < 8000) expect(onOver).not.toHaveBeenCalled();
    pass(110, idlePart, ranPart);
    expect(onOver).toHaveBeenCalledTimes(1);
    pass(2000, 1, 0);
    expect(onOver).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('does not expire at once if this process was suspended for longer', () => {
    const onOver = vi.fn();
    new Patience(800, onOver);
    active += 5000;
    ran += 5000;
    vi.advanceTimersByTime(100);
    expect(onOver).not.toHaveBeenCalled();
    pass(700, 1, 0);
    expect(onOver).toHaveBeenCalledTimes(1);
  });

  test('restarts with restart(), and ends with stop()', () => {
    const onOver = vi.fn();
    const patience = new Patience(800, onOver);
    pass(700, 1, 0);
    patience.restart();
    pass(700, 1, 0);
    expect(onOver).not.toHaveBeenCalled();
    patience.stop();
    pass(2000, 1, 0);
    expect(onOver).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});
