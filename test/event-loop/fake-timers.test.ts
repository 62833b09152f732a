import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { start } from '../support/program.ts';
import { captureUncaught } from '../support/uncaught.ts';

/** Imports a module of src/event-loop anew, as it is loaded now. */
async function load<Module>(name: string): Promise<Module> {
  vi.resetModules();
  return (await import(`../../src/event-loop/${name}.ts`)) as Module;
}

/** Functions of this process, before a test replaces them. */
const { nextTick } = process;
const { queueMicrotask, performance, Date: RealDate } = globalThis;

/** Returns a function as fake timers make them, which never calls back. */
const stopped = (name: string) =>
  Object.defineProperty(
    Object.assign(() => {}, { clock: {} }),
    'name',
    { value: name },
  );

function stopTicks(): void {
  process.nextTick = stopped('nextTick');
  globalThis.queueMicrotask = stopped('queueMicrotask');
}

beforeEach(() => void vi.resetModules());
afterEach(() => {
  process.nextTick = nextTick;
  globalThis.queueMicrotask = queueMicrotask;
  globalThis.performance = performance;
  globalThis.Date = RealDate;
  vi.useRealTimers();
});

describe.each(['before', 'after'] as const)('if ticks and microtasks are faked %s loading', (moment) => {
  type Ticks = typeof import('../../src/event-loop/after-tick.ts');
  type Microtasks = typeof import('../../src/event-loop/after-microtask.ts');

  async function loaded<Module>(name: string): Promise<Module> {
    if (moment === 'after') {
      const module = await load<Module>(name);
      stopTicks();
      return module;
    }
    vi.resetModules();
    // Vitest itself needs ticks to load a module: these functions have the mark of fake timers, and call back.
    const marked = <Real extends object>(real: Real, name: string): Real =>
      Object.defineProperty(
        Object.assign((...args: unknown[]) => Reflect.apply(real as () => void, undefined, args), { clock: {} }),
        'name',
        { value: name },
      ) as unknown as Real;
    process.nextTick = marked(nextTick, 'nextTick');
    globalThis.queueMicrotask = marked(queueMicrotask, 'queueMicrotask');
    const module = (await import(`../../src/event-loop/${name}.ts`)) as Module;
    stopTicks();
    return module;
  }

  test('afterTick calls back later, in order and with the arguments', async () => {
    const { afterTick } = await loaded<Ticks>('after-tick');
    const calls: unknown[] = [];
    await new Promise<void>((resolve) => {
      afterTick((...args: number[]) => calls.push(args), 1, 2);
      afterTick(() => calls.push('second'));
      afterTick(resolve);
      calls.push('sync');
    });
    expect(calls).toEqual(['sync', [1, 2], 'second']);
  });

  test('afterMicrotask calls back later', async () => {
    const { afterMicrotask } = await loaded<Microtasks>('after-microtask');
    const calls: string[] = [];
    await new Promise<void>((resolve) => {
      afterMicrotask(() => {
        calls.push('later');
        resolve();
      });
      calls.push('sync');
    });
    expect(calls).toEqual(['sync', 'later']);
  });

  test('an exception is reported, and not swallowed', async () => {
    const { afterTick, rethrow } = await loaded<Ticks>('after-tick');
    const { afterMicrotask } = await loaded<Microtasks>('after-microtask');
    using uncaught = captureUncaught();
    afterTick(rethrow, new Error('of a tick'));
    afterMicrotask(() => {
      throw new Error('of a microtask');
    });
    process.nextTick = nextTick;
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const messages = [...uncaught.exceptions, ...uncaught.rejections].map((error) => (error as Error).message);
    expect(messages.sort()).toEqual(['of a microtask', 'of a tick']);
  });
});

test('the time for rates goes on if the date, performance and its function are faked after loading', async () => {
  const { monotonicTime } = await load<typeof import('../../src/event-loop/monotonic-time.ts')>('monotonic-time');
  const before = monotonicTime();
  vi.useFakeTimers({ toFake: ['Date', 'performance'], now: 1e15 });
  expect(Date.now()).toBe(1e15);
  expect(monotonicTime()).toBeGreaterThan(before);
  expect(monotonicTime()).toBeLessThan(1e12);
});

describe('a function of the platform', () => {
  test.each([
    ['itself', setImmediate, true],
    ['a spy on it', vi.fn(setImmediate), false],
    ['one of sinon', stopped('setImmediate'), false],
    ['one of node:test, which is bound', setImmediate.bind(null), false],
    ['a missing one', undefined, false],
  ])('%s is genuine: %s', async (_title, candidate, expected) => {
    const { isGenuine } = await load<typeof import('../../src/event-loop/genuine.ts')>('genuine');
    expect(isGenuine(candidate, 'setImmediate')).toBe(expected);
  });
});

const lines = [
  ...[false, true].flatMap((compresses) => [
    `echo ${compresses} true callback`,
    `echo ${compresses} true callback`,
    'broadcast to all false',
    'blob true',
    'paused false',
    'close 3000',
    'server closed',
  ]),
  'upgrade() through a stream',
  'market 1',
  'end',
];

describe.each(['node:test', 'stopped'])('with timers of %s', (faker) => {
  test.each(['before', 'after'])('faked %s loading, servers, clients, streams and a market go on', async (moment) => {
    const { code, stdout, stderr } = await start('test/event-loop/fake-timers-program.js', {}, [faker, moment]).exit;
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.trimEnd()),
      stderr,
    ).toEqual(lines);
    expect(code).toBe(0);
  });
});
