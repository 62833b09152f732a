/**
 * Communication between the processes of the benchmark: the parent asks by name over IPC, the child answers. IPC is a
 * separate socket without traffic inside the measured window, so it costs the measured process nothing.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {object} Child
 * @property {number} pid
 * @property {(question: string, value?: unknown) => Promise<any>} ask rejects if the child fails or ends
 * @property {() => Promise<void>} stop ends the process and waits for its exit
 */

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();

/** Ends every running child. May be called at any time and repeatedly. */
export function stopAll() {
  for (const child of running) child.kill('SIGKILL');
}

process.on('exit', stopAll);
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => process.exit(130));
}
// A child ends with its parent, however the parent ends.
if (process.connected) process.on('disconnect', () => process.exit(1));

/**
 * Starts one of the benchmark's programs and waits until it is ready.
 * @param {string} program path relative to this folder, such as `servers/raw.js`
 * @param {object} settings result of {@link settings} in the program
 * @param {{ env?: Readonly<Record<string, string>>, execArgv?: readonly string[] }} [options]
 * @returns {Promise<Child>}
 */
export async function start(program, settings, { env = {}, execArgv = [] } = {}) {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const child = fork(path, [JSON.stringify(settings)], {
    env: { ...process.env, ...env },
    execArgv: [...execArgv],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  running.add(child);
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  const waiting = new Map();
  let questions = 0;
  let end = `${program} is not running`;
  const gone = new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      running.delete(child);
      end = `${program} ended early (${signal ?? code})`;
      for (const { reject } of waiting.values()) reject(new Error(end));
      waiting.clear();
      resolve(undefined);
    });
  });
  child.on('message', (/** @type {{ id: number, value?: unknown, error?: string }} */ { id, value, error }) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asked?.resolve(value);
    else asked?.reject(new Error(`${program}: ${error}`));
  });
  /** @type {Child['ask']} */
  const ask = (question, value) =>
    new Promise((resolve, reject) => {
      if (!child.connected) return reject(new Error(end));
      const id = questions++;
      waiting.set(id, { resolve, reject });
      child.send({ id, question, value });
    });
  const stop = async () => {
    waiting.clear();
    child.kill('SIGKILL');
    await gone;
  };
  await ask('ready');
  return { pid: /** @type {number} */ (child.pid), ask, stop };
}

/**
 * Returns the settings that the parent passed to {@link start}.
 * @template T
 * @returns {T}
 */
export function settings() {
  return JSON.parse(process.argv[2]);
}

/**
 * Answers the parent's questions, in a child. `ready` and `cpu` (µs of user and system time so far) are built in.
 * @param {Record<string, (value: any) => unknown>} answers may be async; an exception rejects the parent's `ask`
 */
export function answer(answers) {
  /** @type {Record<string, (value: any) => unknown>} */
  const known = { ready: () => true, cpu: cpuMicroseconds, ...answers };
  process.on('message', async (/** @type {{ id: number, question: string, value: unknown }} */ message) => {
    try {
      process.send?.({ id: message.id, value: await known[message.question](message.value) });
    } catch (error) {
      process.send?.({ id: message.id, error: error instanceof Error ? error.message : String(error) });
    }
  });
}

/** Returns the user and system time of this process so far, in µs. */
export function cpuMicroseconds() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/**
 * Returns RSS and heap of this process after a full garbage collection, in bytes. Requires `--expose-gc`.
 * @returns {Promise<{ rss: number, heap: number }>}
 */
export async function settledMemory() {
  // More than one collection: pages are returned to the system on another thread, and finalizers run only after a
  // collection.
  for (let i = 0; i < 4; i++) {
    /** @type {any} */ (globalThis).gc();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { rss, heapUsed } = process.memoryUsage();
  return { rss, heap: heapUsed };
}
