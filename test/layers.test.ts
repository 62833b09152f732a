import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importsOf } from './support/imports-of.ts';

const source = join(import.meta.dirname, '..', 'src');

const anyBuiltin = 'any';
const everything = 'everything';

interface Layer {
  /** Lower layers that it may import, besides its own files. */
  readonly imports: readonly string[] | typeof everything;
  /** Modules of Node that it may import, without `node:`. */
  readonly builtins: readonly string[] | typeof anyBuiltin;
}

/** Used on both sides of the I/O line: when code goes on, and the time for rates. */
const eventLoop = 'event-loop';
/** Kinds of values, whatever realm their classes are of. */
const realm = 'realm';

const aboveTheLine = ['frame', 'extension', 'message', 'handshake', 'connection'];

const belowTheMarket = [
  'goods/definition',
  'goods/wire',
  'goods/ledger',
  'goods/backplane',
  'goods/fan-out',
  'goods/shelf',
  'goods/session',
];

/** Table of docs/architecture.md. Above the I/O line: no socket, stream, emitter or timer. */
const layers: Readonly<Record<string, Layer>> = {
  realm: { imports: [], builtins: [] },
  'event-loop': { imports: [], builtins: ['async_hooks', 'timers', 'worker_threads'] },
  frame: { imports: [], builtins: ['buffer', 'crypto'] },
  extension: { imports: ['frame'], builtins: ['buffer', 'zlib'] },
  message: { imports: [realm, 'frame', 'extension'], builtins: ['buffer'] },
  handshake: { imports: ['extension'], builtins: ['buffer', 'crypto'] },
  connection: { imports: ['frame', 'message', 'extension'], builtins: ['buffer'] },
  // ═══ the I/O line ═══
  compat: { imports: [realm, eventLoop, ...aboveTheLine], builtins: anyBuiltin },
  transport: { imports: [realm, eventLoop, ...aboveTheLine], builtins: anyBuiltin },
  client: { imports: [eventLoop, 'handshake', 'transport', 'extension'], builtins: anyBuiltin },
  websocket: {
    imports: [realm, eventLoop, 'client', 'transport', 'compat', 'connection', 'message', 'extension', 'frame'],
    builtins: anyBuiltin,
  },
  server: {
    imports: [realm, eventLoop, 'websocket', 'transport', 'handshake', 'message', 'extension'],
    builtins: anyBuiltin,
  },
  'goods/definition': { imports: [realm], builtins: [] },
  'goods/wire': { imports: ['goods/definition'], builtins: [] },
  'goods/ledger': { imports: ['goods/definition'], builtins: [] },
  'goods/backplane': { imports: ['goods/definition'], builtins: [] },
  'goods/fan-out': { imports: ['frame'], builtins: [] },
  'goods/shelf': { imports: ['goods/definition', 'goods/wire', 'goods/backplane', 'goods/fan-out'], builtins: [] },
  'goods/session': { imports: ['goods/definition', 'goods/wire', 'goods/fan-out', 'goods/shelf'], builtins: [] },
  'goods/market': { imports: [realm, eventLoop, ...belowTheMarket], builtins: ['diagnostics_channel'] },
  'goods/websocket': {
    imports: [
      eventLoop,
      'goods/definition',
      'goods/wire',
      'goods/fan-out',
      'goods/shelf',
      'goods/session',
      'goods/market',
      'frame',
      'extension',
      'message',
      'transport',
      'websocket',
      'server',
    ],
    builtins: anyBuiltin,
  },
  'goods/client': { imports: [realm, eventLoop, 'goods/definition', 'goods/wire'], builtins: [] },
  // ═══ the entry points ═══
  'ws-internals.ts': { imports: everything, builtins: anyBuiltin },
  'goods.ts': { imports: [...belowTheMarket, 'goods/market', 'goods/websocket'], builtins: [] },
  'goods/client.ts': { imports: ['goods/client', 'goods/definition', 'goods/wire'], builtins: [] },
  'protocol.ts': { imports: aboveTheLine, builtins: [] },
  'browser.ts': { imports: ['frame', 'extension', 'handshake', 'compat'], builtins: [] },
  'index.ts': { imports: everything, builtins: anyBuiltin },
  'websocket-namespace.d.ts': { imports: everything, builtins: anyBuiltin },
};

/**
 * Returns the layer of a path below src/: the path itself if it has a row, otherwise the innermost folder that has one.
 */
function layerOf(path: string): string {
  for (let name = path; ; name = posix.dirname(name)) {
    if (Object.hasOwn(layers, name) || !name.includes('/')) return name;
  }
}

/** Describes violations of the table in one file. */
function breaches(path: string, code: string): string[] {
  const name = layerOf(path);
  const layer = layers[name];
  if (layer === undefined) return [`${path} lies in no layer of the table`];
  const found: string[] = [];
  for (const specifier of importsOf(code)) {
    if (specifier.startsWith('.')) {
      const target = layerOf(posix.join(posix.dirname(path), specifier));
      const allowed = target === name || layer.imports === everything || layer.imports.includes(target);
      if (!allowed) found.push(`${path} imports ${specifier}: ${name} may not import ${target}`);
    } else if (specifier.startsWith('node:')) {
      const builtin = specifier.slice('node:'.length);
      const allowed = layer.builtins === anyBuiltin || layer.builtins.includes(builtin);
      if (!allowed) found.push(`${path} imports ${specifier}: ${name} may not`);
    } else {
      found.push(`${path} imports ${specifier}: goodwire has no dependency, and Node's own modules begin with node:`);
    }
  }
  return found;
}

const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => /\.c?ts$/.test(path));

test('every import in src points down to a layer that the table allows', () => {
  expect(files.length).toBeGreaterThan(0);
  expect(files.flatMap((path) => breaches(path, readFileSync(join(source, path), 'utf8')))).toEqual([]);
});

test('no name in src is a variable that CommonJS defines in every module: the compiled code would hide it', () => {
  const taken =
    /^\s*(?:(?:export )?(?:const|let|var|function|class) |(?:const|let|var) \{[^}\n]*)\b(?:exports|module|require|__filename|__dirname)\b/m;
  expect('  const { exports } = instance;').toMatch(taken);
  expect(files.filter((path) => taken.test(readFileSync(join(source, path), 'utf8')))).toEqual([]);
});

/**
 * Returns the circles of imports: for each, the files that all reach each other.
 * @param graph For each file the files that it imports, types included.
 */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const reached = new Map([...graph.keys()].map((file) => [file, reachable(graph, file)]));
  const found = new Map<string, string[]>();
  for (const [file, others] of reached) {
    if (!others.has(file)) continue;
    const members = [...others].filter((other) => reached.get(other)?.has(file)).sort();
    found.set(members.join(), members);
  }
  return [...found.values()];
}

/** Returns the files that a file imports at any depth. The file itself is included only if it is part of a circle. */
function reachable(graph: ReadonlyMap<string, readonly string[]>, file: string): ReadonlySet<string> {
  const found = new Set(graph.get(file));
  // Files added during the iteration are visited too.
  for (const one of found) for (const next of graph.get(one) ?? []) found.add(next);
  return found;
}

test('no file of src imports itself in a circle, not even types, also inside a folder', () => {
  const graph = new Map(
    files.map((path) => {
      const imports = importsOf(readFileSync(join(source, path), 'utf8'));
      const local = imports.filter((specifier) => specifier.startsWith('.'));
      return [path, local.map((specifier) => posix.join(posix.dirname(path), specifier))];
    }),
  );
  expect([...graph.values()].flat().length).toBeGreaterThan(files.length);
  expect(circles(graph)).toEqual([]);
});

test('the client of goods, and all that it imports, uses no global of Node: it runs in browsers', () => {
  const reached = new Set(['goods/client.ts']);
  for (const path of reached) {
    const code = readFileSync(join(source, path), 'utf8');
    // Comments may name them.
    expect(code.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, ''), path).not.toMatch(
      /\b(?:Buffer|process|setImmediate|global)\b/,
    );
    for (const specifier of importsOf(code)) reached.add(posix.join(posix.dirname(path), specifier));
  }
  expect(reached).toContain('goods/client/goods-client.ts');
  expect(reached).toContain('goods/wire/binary-codec.ts');
});

test('no layer of the table imports itself in a circle', () => {
  const visit = (name: string, path: readonly string[]): void => {
    expect(path).not.toContain(name);
    const imports = layers[name]?.imports ?? [];
    if (imports !== everything) for (const below of imports) visit(below, [...path, name]);
  };
  for (const name of Object.keys(layers)) visit(name, []);
});

test('docs/architecture.md has the same table', () => {
  const document = readFileSync(join(source, '..', 'docs', 'architecture.md'), 'utf8');
  const rows = [...document.matchAll(/^\| `(?:src\/)?([\w/-]+)\/` \|.*\| ([^|]*) \|$/gm)];
  const documented = rows.map(([, name, imports]) => [name, new Set(imports?.match(/[\w/-]+/g))]);
  const folders = Object.entries(layers).filter(([name]) => !name.includes('.'));
  expect(documented).toEqual(folders.map(([name, { imports }]) => [name, new Set(imports)]));
});

describe('the check itself', () => {
  test.each([
    ['no circle', { a: ['b', 'c'], b: ['c'], c: [] }, []],
    ['a file that imports itself', { a: ['a'], b: ['a'] }, [['a']]],
    ['two files', { a: ['b'], b: ['a'], c: ['a'] }, [['a', 'b']]],
    [
      'two circles, with a way from one to the other',
      { a: ['b'], b: ['a', 'c'], c: ['d'], d: ['c'] },
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
  ])('detects %s', (_name, graph, expected) => {
    expect(circles(new Map(Object.entries(graph)))).toEqual(expected);
  });

  test.each([
    ['an import upwards', 'frame/opcode.ts', "import { Connection } from '../connection/connection.ts';"],
    ['a type imported upwards', 'message/a.ts', "import type {\n  Connection,\n} from '../connection/connection.ts';"],
    ['a type hidden in an expression', 'frame/a.ts', "let a: import('../server/websocket-server.ts').WebSocketServer;"],
    ['an export from above', 'handshake/a.ts', "export * from '../transport/transport.ts';"],
    ['an import for its effect', 'connection/a.ts', "import '../transport/transport.ts';"],
    ['a socket above the I/O line', 'connection/a.ts', "import { Socket } from 'node:net';"],
    ['an emitter above the I/O line', 'message/a.ts', "import { EventEmitter } from 'node:events';"],
    ['a module of Node without its prefix', 'server/a.ts', "import { createServer } from 'http';"],
    ['a dependency', 'client/a.ts', "import ws from 'ws';"],
    ['a sibling layer', 'handshake/a.ts', "import { Opcode } from '../frame/opcode.ts';"],
    ['a folder without a row in the table', 'utilities/a.ts', ''],
    ['Node in the browser entry', 'browser.ts', "import { EventEmitter } from 'node:events';"],
  ])('detects %s', (_title, path, code) => {
    expect(breaches(path, code)).toHaveLength(1);
  });

  test.each([
    ['an import within the layer', 'frame/a.ts', "import { Opcode } from './opcode.ts';"],
    ['an import downwards', 'server/a.ts', "import { WebSocket } from '../websocket/websocket.ts';"],
    ['masking keys from node:crypto', 'frame/a.ts', "import { randomFillSync } from 'node:crypto';"],
    ['an example in a comment', 'frame/a.ts', "/**\n * import { x } from 'goodwire/protocol';\n */"],
    ['text that mentions an import', 'frame/a.ts', "export const a = 'from ';\nexport const b = ['ws'];"],
  ])('allows %s', (_title, path, code) => {
    expect(breaches(path, code)).toEqual([]);
  });
});
