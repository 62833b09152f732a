import { expect, test } from 'vitest';
import { Heartbeat } from '../../../src/goods/client/heartbeat.ts';
import { FakeClock } from '../../support/fake-market.ts';

/** A heartbeat of 100 milliseconds that writes down its calls. */
function open(period = 100) {
  const clock = new FakeClock();
  const calls: string[] = [];
  const hooks = {
    ask: (): void => void calls.push(`ask ${clock.time}`),
    silent: (): void => void calls.push(`silent ${clock.time}`),
  };
  return { clock, calls, hooks, heartbeat: new Heartbeat(clock, period, hooks) };
}

test('a period of silence leads to a question, and a second one to the end', () => {
  const { clock, calls, heartbeat } = open();
  heartbeat.start();
  clock.advance(1000);
  expect(calls).toEqual(['ask 100', 'silent 200']);
  expect(clock.timers.size).toBe(0);
});

test('any sign of life within a period makes it no silence', () => {
  const { clock, calls, heartbeat } = open();
  heartbeat.start();
  for (let i = 0; i < 5; i++) {
    clock.advance(60);
    heartbeat.noteActivity();
    clock.advance(40);
  }
  expect(calls).toEqual([]);
});

test('a sign of life behind the question begins anew: another period of silence leads to another question', () => {
  const { clock, calls, heartbeat } = open();
  heartbeat.start();
  clock.advance(150);
  heartbeat.noteActivity();
  clock.advance(350);
  expect(calls).toEqual(['ask 100', 'ask 300', 'silent 400']);
});

test('a sign of life before the start does not count', () => {
  const { clock, calls, heartbeat } = open();
  heartbeat.noteActivity();
  heartbeat.start();
  clock.advance(100);
  expect(calls).toEqual(['ask 100']);
});

test('a heartbeat that is stopped calls no more, also if the question has stopped it', () => {
  const { clock, calls, hooks, heartbeat } = open();
  heartbeat.start();
  heartbeat.stop();
  clock.advance(1000);
  expect([calls, clock.timers.size]).toEqual([[], 0]);
  hooks.ask = () => heartbeat.stop();
  heartbeat.start();
  clock.advance(1000);
  expect([calls, clock.timers.size]).toEqual([[], 0]);
});

test('a period of 0 turns the heartbeat off', () => {
  const { clock, calls, heartbeat } = open(0);
  heartbeat.start();
  heartbeat.stop();
  clock.advance(1000);
  expect([calls, clock.timers.size]).toEqual([[], 0]);
});
