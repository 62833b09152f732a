import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const source = join(import.meta.dirname, '..', 'src');

/** Returns code without its comments. A `//` inside of a string is part of an address, which follows a colon. */
const withoutComments = (code: string): string => code.replaceAll(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*/g, '');

/** Names of the classes that are built into the platform, and of the classes that Node's modules export. */
const builtInClasses = new Set([
  ...Object.getOwnPropertyNames(globalThis).filter((name) => /^[A-Z][A-Za-z0-9]*[a-z]/.test(name)),
  ...[
    'URL',
    'Socket',
    'Duplex',
    'Readable',
    'Writable',
    'Stream',
    'EventEmitter',
    'IncomingMessage',
    'ServerResponse',
    'Server',
  ],
]);

/** Uses of `instanceof` with a built-in class that are right: the value is not of another realm. */
const exceptions: Readonly<Record<string, readonly [builtIn: string, reason: string][]>> = {
  'goods/ledger/ledger-lines.ts': [['Map', 'the ledger created the value']],
  'transport/closing.ts': [['Socket', 'node:net exists once in a process, for all realms']],
  'transport/stream-listeners.ts': [['Socket', 'node:net exists once in a process, for all realms']],
};

/** Returns the built-in classes about which a file asks with `instanceof`. A class that the file declares or imports from us is ours. */
function builtInsAskedFor(code: string): Set<string> {
  const bare = withoutComments(code);
  const asked = [...bare.matchAll(/\binstanceof\s+(?:globalThis\.)?([\w$.]+)/g)].map(([, name]) => name!);
  const isOurs = (name: string): boolean =>
    new RegExp(`\\bclass ${name}\\b|^import \\{[^}]*\\b${name}\\b[^}]*\\} from '\\.`, 'm').test(bare);
  return new Set(asked.filter((name) => builtInClasses.has(name.replace(/^.*\./, '')) && !isOurs(name)));
}

/** Functions that fake timers replace, and that progress must not wait for. */
const progress =
  /\b(?:process\.(?:nextTick|hrtime)|queueMicrotask|setImmediate|performance|requestAnimationFrame)\b|\bsetTimeout\([^;]*, 0\)/;

/** The only folder that uses them. It keeps those that are genuine. */
const eventLoop = 'event-loop/';

/** Timers of another module, or kept in a variable. A deadline calls the global function, which a test may have replaced meanwhile. */
const keptTimer =
  /'node:timers(?:\/promises)?'|[=:]\s*(?:globalThis\.)?(?:setTimeout|setInterval|clearTimeout|clearInterval|Date\.now)\s*[,;})\n]/;

const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => /\.c?ts$/.test(path))
  .map((path) => ({ path, code: readFileSync(join(source, path), 'utf8') }));

test('no file of src asks whether a value of the application is of a built-in class: it may be of another realm', () => {
  expect(files.length).toBeGreaterThan(100);
  const found = files.map(({ path, code }) => [path, [...builtInsAskedFor(code)]] as const);
  const allowed = Object.entries(exceptions).map(([path, classes]) => [path, classes.map(([name]) => name)]);
  expect(Object.fromEntries(found.filter(([, classes]) => classes.length > 0))).toEqual(Object.fromEntries(allowed));
});

test('no file of src outside of event-loop/ uses a function for progress that fake timers replace', () => {
  const others = files.filter(({ path }) => !path.startsWith(eventLoop));
  expect(others.filter(({ code }) => progress.test(withoutComments(code))).map(({ path }) => path)).toEqual([]);
  const own = files.filter(({ path }) => path.startsWith(eventLoop));
  expect(own.filter(({ code }) => progress.test(withoutComments(code))).length).toBeGreaterThanOrEqual(4);
});

test('every deadline of src uses the global timers of the moment', () => {
  const others = files.filter(({ path }) => !path.startsWith(eventLoop));
  expect(others.filter(({ code }) => keptTimer.test(withoutComments(code))).map(({ path }) => path)).toEqual([]);
  const timed = others.filter(({ code }) => /(?<![.\w])setTimeout\(/.test(withoutComments(code)));
  expect(timed.length).toBeGreaterThan(4);
});

describe('the check itself', () => {
  test.each([
    ['if (data instanceof Uint8Array) return;', ['Uint8Array']],
    ['x instanceof globalThis.Error', ['Error']],
    ['a instanceof net.Socket', ['net.Socket']],
    ["import { Socket } from 'node:net';\na instanceof Socket", ['Socket']],
    ['class Node {}\na instanceof Node', []],
    ["import { ProtocolError } from './a.ts';\na instanceof ProtocolError", []],
    ['// a instanceof Date\n/* instanceof Map */', []],
  ])('%j asks for %j', (code, expected) => {
    expect([...builtInsAskedFor(code)]).toEqual(expected);
  });

  test.each([
    'process.nextTick(a)',
    'queueMicrotask(() => {})',
    "if (typeof setImmediate === 'function') a()",
    'const now = performance.now()',
    'setTimeout(flush, 0)',
  ])('%j waits for a function that may be faked', (code) => {
    expect(code).toMatch(progress);
  });

  test.each([
    "import { setTimeout } from 'node:timers';",
    'const start = setTimeout;',
    '({ now = Date.now, other })',
    'const clock = { clearTimeout: globalThis.clearTimeout };',
  ])('%j keeps a timer', (code) => {
    expect(code).toMatch(keptTimer);
  });

  test.each([
    'const timer = setTimeout(a, 5);',
    'now: () => Date.now(),',
    '({ setTimeout: (a, b) => setTimeout(a, b) })',
  ])('%j is right', (code) => {
    expect(code).not.toMatch(keptTimer);
    expect(code).not.toMatch(progress);
  });
});
