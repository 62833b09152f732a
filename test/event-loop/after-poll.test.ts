import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, test } from 'vitest';
import { afterMessage, afterPoll } from '../../src/event-loop/after-poll.ts';
import { start } from '../support/program.ts';
import { captureUncaught } from '../support/uncaught.ts';

describe.each([
  ['setImmediate', afterPoll],
  ['a message to this thread', afterMessage()],
])('the end of the poll phase, by %s', (_title, later) => {
  test('comes after promises and ticks, in order, with the arguments', async () => {
    const calls: unknown[] = [];
    await new Promise<void>((resolve) => {
      later((...args: unknown[]) => calls.push(args), 1, 'a');
      later(() => {
        calls.push('second');
        later(() => {
          calls.push('nested');
          resolve();
        });
      });
      process.nextTick(() => calls.push('tick'));
      void Promise.resolve().then(() => calls.push('promise'));
      calls.push('sync');
    });
    expect(calls[0]).toBe('sync');
    expect(calls.slice(1, 3).sort()).toEqual(['promise', 'tick']);
    expect(calls.slice(3)).toEqual([[1, 'a'], 'second', 'nested']);
  });

  test('has the asynchronous context of its caller', async () => {
    const storage = new AsyncLocalStorage<number>();
    const contexts = [1, 2].map((id) =>
      storage.run(id, () => new Promise((resolve) => later(() => resolve(storage.getStore())))),
    );
    expect(await Promise.all(contexts)).toEqual([1, 2]);
  });

  test('comes again and again without keeping timers and sockets waiting', async () => {
    let calls = 0;
    let isOver = false;
    const again = () => {
      calls++;
      if (!isOver && calls < 1000) later(again);
    };
    again();
    // Called in the iteration of the event loop behind the first call.
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    isOver = true;
    expect(calls).toBeLessThan(10);
  });

  test('a callback that throws is an uncaught exception, and the next one is called', async () => {
    using uncaught = captureUncaught();
    await new Promise<void>((resolve) => {
      later(() => {
        throw new Error('mine');
      });
      later(resolve);
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(uncaught.exceptions.map(({ message }) => message)).toEqual(['mine']);
  });
});

test('a pending message keeps the process alive, and nothing else does', async () => {
  const script = 'test/event-loop/after-message-program.js';
  expect(await start(script).exit).toMatchObject({ code: 0, stdout: 'called\nagain\n' });
});
