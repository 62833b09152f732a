import { rmSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import ts from 'typescript-5.9';
import { afterAll, describe, expect, test } from 'vitest';
import { compile, goodwire, node, root } from './compile.ts';
import { openEditor } from './language-service.ts';

const program = `
import WebSocket, { WebSocketServer } from 'goodwire';
import { GoodsClient } from 'goodwire/goods/client';
import { Connection } from 'goodwire/protocol';

const accepted = new WebSocket(null);
const socket = new WebSocket('ws://127.0.0.1');
const chat = new WebSocket('ws://127.0.0.1', 'chat', { origin: 'https://example.com' });
socket.on('open', () => {});
socket.on('message', (data, isBinary) => {});
socket.on('close', (code, reason) => {});
socket.on('error', (error) => {});
socket.on('ping', (data) => {});
socket.on('pong', (data) => {});
socket.on('upgrade', (response) => {});
socket.on('redirect', (url, request) => {});
socket.on('unexpected-response', (request, response) => {});
socket.once('open', () => {});
socket.off('open', () => {});
const server = new WebSocketServer({ port: 0 });
server.on('connection', (client, request) => {});
server.on('listening', () => {});
server.on('close', () => {});
server.on('error', (error) => {});
server.on('headers', (headers, request) => {});
server.on('wsClientError', (error, stream, request) => {});
server.once('connection', () => {});
const client = new GoodsClient('ws://127.0.0.1', { WebSocket });
await client.subscribe('fruit/apple', undefined, {
  onItem: (delivery) => [
    delivery.goods,
    delivery.variant,
    delivery.epoch,
    delivery.offset,
    delivery.item,
    delivery.gap?.reason,
  ],
});
new Connection({ role: 'server' }, {} as never);
export { accepted, chat };
`;

const required = `
import WebSocket = require('goodwire');
const socket: WebSocket = new WebSocket('ws://127.0.0.1');
socket.on('message', (data, isBinary) => {});
export = WebSocket.Server;
`;

const entries = ['goodwire', 'goodwire/goods', 'goodwire/goods/client', 'goodwire/protocol'];
const imports = entries.map((name) => `import '${name}';`).join('\n');

const editor = openEditor({
  'program.mts': program,
  'required.cts': required,
  'imports.mts': imports,
  'imports.cts': `import goodwire = require('goodwire');\nexport = goodwire;`,
});
const { checker } = editor;

afterAll(() => rmSync(editor.project, { recursive: true, force: true }));

/** Returns the statements of a program. */
const statementsOf = (name: string): readonly ts.Statement[] => {
  const file = editor.program.getSourceFiles().find(({ fileName }) => fileName.endsWith(`/${name}`));
  if (file === undefined) throw new Error(`${name} is not in the project`);
  return file.statements;
};

/** Returns the declaration to which a name leads. */
const resolved = (symbol: ts.Symbol): ts.Symbol =>
  symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;

/** Returns the exports of an entry point, as an ES module imports it. */
function exportsOf(entry: string): readonly ts.Symbol[] {
  const statement = statementsOf('imports.mts').find(
    (one) => ts.isImportDeclaration(one) && (one.moduleSpecifier as ts.StringLiteral).text === entry,
  ) as ts.ImportDeclaration;
  return checker.getExportsOfModule(checker.getSymbolAtLocation(statement.moduleSpecifier)!);
}

describe('hovering', () => {
  // The name behind the | is hovered over. The other columns are in the signature, and in the comment.
  test.each([
    ['accepted = new |WebSocket(null)', 'address: null', 'has no connection until'],
    ["socket = new |WebSocket('ws", 'address: string | URL, options?', '@param address A URL with the scheme'],
    ["chat = new |WebSocket('ws", 'protocols?: string | string[]', '@param protocols The subprotocols to offer'],
    ['new |WebSocketServer(', 'callback?: (() => void)', 'Creates a server. With `port` it listens at once'],
    ['new |GoodsClient(', 'address: PerConnection', 'Creates a client, which connects at once'],
    ['new |Connection(', 'events: ConnectionEvents', 'Creates one end of a connection'],
    ["socket.|on('open'", '(this: WebSocket) => void', 'Emitted when the connection is open'],
    ["socket.|on('message'", 'data: WebSocket.RawData, isBinary: boolean', '@param listener Called with `data`'],
    ["socket.|on('close'", 'code: number, reason: Buffer', '@param listener Called with `code`'],
    ["socket.|on('error'", 'error: Error', '@param listener Called with `error`'],
    ["socket.|on('ping'", 'data: Buffer', '@param listener Called with `data`'],
    ["socket.|on('pong'", 'data: Buffer', '@param listener Called with `data`'],
    ["socket.|on('upgrade'", 'response: IncomingMessage', '@param listener Called with `response`'],
    ["socket.|on('redirect'", 'url: string, request: ClientRequest', '@param listener Called with `url`'],
    ["socket.|on('unexpected-response'", 'response: IncomingMessage', '@param listener Called with `request`'],
    ["socket.|once('open'", 'event: "open"', 'called for the next event only'],
    ["socket.|off('open'", 'event: "open"', 'Removes a listener'],
    ["server.|on('connection'", 'websocket: WebSocket, request: Incoming', '@param listener Called with `websocket`'],
    ["server.|on('listening'", 'event: "listening"', 'Emitted when the HTTP server listens'],
    ["server.|on('close'", 'event: "close"', 'Emitted when the server is closed'],
    ["server.|on('error'", 'error: Error', '@param listener Called with `error`'],
    ["server.|on('headers'", 'headers: string[], request: Incoming', '@param listener Called with `headers`'],
    [
      "server.|on('wsClientError'",
      'error: Error, socket: Stream.Duplex, request',
      '@param listener Called with `error`',
    ],
    ["server.|once('connection'", 'event: "connection"', 'called for the next event only'],
    ['delivery.|goods', 'goods: string', 'Name of the goods'],
    ['delivery.|variant', 'variant: string', 'Variant of the item'],
    ['delivery.|epoch', 'epoch: string', 'Identifies the count of offsets'],
    ['delivery.|offset', 'offset: number', 'Number of the item in its epoch'],
    ['delivery.|item', 'item: unknown', 'as `tailor` made it for the variant'],
    ['delivery.|gap', 'gap: Gap | null', 'Items of these goods that are missing'],
    ['gap?.|reason', '"not-recovered"', 'Reason for which they are missing'],
  ])('over %s shows the comment', (piece, signature, comment) => {
    const hover = editor.hover('program.mts', piece);
    expect(hover.signature).toContain(signature);
    expect(hover.comment).toContain(comment);
  });

  test('over the class that require() returns shows the same as over the class that is imported', () => {
    const classic = editor.hover('required.cts', 'import |WebSocket');
    expect(classic.comment).toBe(editor.hover('program.mts', 'import |WebSocket').comment);
    expect(classic.comment).toContain('@example');
    expect(editor.hover('required.cts', 'new |WebSocket(').comment).toContain('@param address');
    expect(editor.hover('required.cts', "socket.|on('message'").comment).toContain('Called with `data`');
  });

  test('over each exported name shows a comment', () => {
    const all = entries.flatMap((entry) => exportsOf(entry).map((symbol) => ({ entry, symbol })));
    expect(all.length).toBeGreaterThan(150);
    const silent = all.filter(({ symbol }) => resolved(symbol).getDocumentationComment(checker).length === 0);
    expect(silent.map(({ entry, symbol }) => `${symbol.name} of ${entry}`)).toEqual([]);
  });

  test('over a constructor of an exported class shows what it creates, in each overload', () => {
    const classes = entries
      .flatMap(exportsOf)
      .map(resolved)
      .filter(({ flags }) => flags & ts.SymbolFlags.Class);
    const signatures = classes.flatMap((symbol) => checker.getTypeOfSymbol(symbol).getConstructSignatures());
    expect(signatures.length).toBeGreaterThan(30);
    // A class without a constructor of its own shows the comment of the class.
    const silent = signatures.filter(
      (one) => ts.isConstructorDeclaration(one.declaration ?? classes[0]!.valueDeclaration!) && !isDescribed(one),
    );
    expect(silent.map((one) => checker.signatureToString(one))).toEqual([]);
  });

  function isDescribed(signature: ts.Signature): boolean {
    const isInternal = signature.getJsDocTags().some(({ name }) => name === 'internal');
    return isInternal || signature.getDocumentationComment(checker).length > 0;
  }
});

describe('the names', () => {
  /** Names of ws's class and of our own, as properties of the class that require() returns. */
  const namespaced = (): string[] => {
    const [statement] = statementsOf('imports.cts') as readonly [ts.ImportEqualsDeclaration];
    const symbol = resolved(checker.getSymbolAtLocation(statement.name)!);
    return [...(symbol.exports?.keys() ?? [])].map(String).filter((name) => name !== 'prototype');
  };

  test('that the ES module exports are those of src/index.ts, which the class has too as far as they are types', () => {
    const exported = exportsOf('goodwire').map(({ name }) => name);
    const compiled = editor.program.getSourceFile(`${root}/dist/cjs/index.d.ts`)!;
    const source = checker.getExportsOfModule(checker.getSymbolAtLocation(compiled)!).map(({ name }) => name);
    expect(source.length).toBeGreaterThan(30);
    expect(exported.toSorted()).toEqual(source.toSorted());
    // Values of the ES module only.
    const notThere = ['default', 'upgrade'];
    expect(namespaced().toSorted()).toEqual(exported.filter((name) => !notThere.includes(name)).toSorted());
  });

  test('that are values have the same names at run time', async () => {
    const isValue = (symbol: ts.Symbol): boolean =>
      (resolved(symbol).flags & ts.SymbolFlags.Value) !== 0 &&
      !symbol.declarations?.some((one) => ts.isTypeOnlyImportOrExportDeclaration(one));
    for (const [entry, file] of Object.entries({
      goodwire: 'index',
      'goodwire/goods': 'goods',
      'goodwire/goods/client': 'goods/client',
      'goodwire/protocol': 'protocol',
    })) {
      const module: object = await import(pathToFileURL(`${root}/dist/${file}.js`).href);
      const names = exportsOf(entry)
        .filter(isValue)
        .map(({ name }) => name);
      const actual = Object.keys(module).filter((name) => name !== 'module.exports');
      expect(names.toSorted(), entry).toEqual(actual.toSorted());
    }
  });
});

describe('an example', () => {
  const owners: readonly [entry: string, name: string][] = [
    ['goodwire', 'WebSocket'],
    ['goodwire', 'WebSocketServer'],
    ['goodwire', 'createWebSocketStream'],
    ['goodwire', 'upgrade'],
    ['goodwire', 'PreparedMessage'],
    ['goodwire/goods', 'Market'],
    ['goodwire/goods', 'defineGoods'],
    ['goodwire/goods', 'MemoryBackplane'],
    ['goodwire/goods/client', 'GoodsClient'],
    ['goodwire/protocol', 'Connection'],
  ];

  /** Returns the programs in the examples of an export. */
  const examplesOf = (entry: string, name: string): string[] => {
    const symbol = exportsOf(entry).find((one) => one.name === name)!;
    const tags = resolved(symbol)
      .getJsDocTags(checker)
      .filter((tag) => tag.name === 'example');
    const texts = tags.map((tag) => /^```ts\n([\s\S]*)\n```$/.exec(ts.displayPartsToString(tag.text).trim())?.[1]);
    return texts.map((text) => text ?? 'no program');
  };

  test.each(owners)('of %s: %s is a program', (entry, name) => {
    const examples = examplesOf(entry, name);
    expect(examples).toHaveLength(1);
    expect(examples[0]).toContain(`'${entry}'`);
    expect(examples[0]).toContain(name);
  });

  test('compiles', async () => {
    const programs = owners.flatMap(([entry, name]) =>
      examplesOf(entry, name).map((text, i) => [`${name}-${i}.mts`, text] as const),
    );
    expect(await compile(Object.fromEntries(programs), { ...node, ...goodwire })).toBe('');
  });
});
