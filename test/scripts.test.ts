import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
/** The scripts are JavaScript without types. */
const script = (name: string): Promise<unknown> => import(join(root, 'scripts', name));
const { longTests } = (await script('long-tests.js')) as { longTests: readonly string[] };
const { isOutgoing, modulesOf, testFiles } = (await script('test-files.js')) as {
  isOutgoing(path: string): boolean;
  modulesOf(code: string): string[];
  testFiles(): string[];
};
const contributing = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

describe('the list of long test files', () => {
  test('names existing files, each once, in order', () => {
    expect(longTests.filter((file) => !testFiles().includes(file))).toEqual([]);
    expect(longTests).toEqual([...new Set(longTests)].sort());
  });

  test('is the table of CONTRIBUTING.md', () => {
    const rows = [...contributing.matchAll(/^\| `(test\/.+?\.test\.ts)` \| \d+ \|/gm)].map((match) => match[1]);
    expect(rows.sort()).toEqual([...longTests]);
  });

  test('equals the files that `npm run test:quick` omits and names', () => {
    const code = readFileSync(join(root, 'scripts', 'test-quick.js'), 'utf8');
    expect(code).toContain("from './long-tests.js'");
    expect(scripts['test:quick']).toContain('scripts/test-quick.js');
  });
});

test('CONTRIBUTING.md names every command that runs tests', () => {
  for (const name of Object.keys(scripts).filter((script) => /^(?:test|conformance)(?::|$)/.test(script))) {
    expect(contributing, name).toMatch(new RegExp(`npm (run )?${name}\\b`));
  }
});

describe('the files that open sockets or start processes', () => {
  test.each([
    'test/server/websocket-server.test.ts',
    'test/docs/readme.test.ts',
    'test/site/page.test.ts',
    'test/autobahn/broken/faults.test.ts',
    'test/goods/client/cuts.test.ts',
    'test/scripts.test.ts',
  ])('include %s', (file) => {
    expect(isOutgoing(file)).toBe(true);
  });

  test.each(['test/frame/frame-decoder.test.ts', 'test/message/message-decoder.test.ts', 'test/layers.test.ts'])(
    'do not include %s',
    (file) => {
      expect(isOutgoing(file)).toBe(false);
    },
  );

  test('are determined by runtime imports, not by types or comments', () => {
    const code = [
      "import { once } from 'node:events';",
      "import type { Socket } from 'node:net';",
      "// import 'node:tls';",
      "export * from './a.ts';",
      "const http = await import('node:http');",
    ];
    expect(modulesOf(code.join('\n'))).toEqual(['node:events', './a.ts', 'node:http']);
  });
});

describe('npm run test:loaded', () => {
  async function run(...args: string[]): Promise<{ code: number | null; output: string }> {
    const child = spawn(process.execPath, [join(root, 'scripts', 'test-loaded.js'), ...args]);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    const [code] = await once(child, 'close');
    return { code, output };
  }

  test('runs the chosen files the given number of times, and reports the result of each run', async () => {
    const files = 'test/frame/opcode.test.ts,test/frame/close-code.test.ts';
    const { code, output } = await run('--spinners', '1', '--whole', '1', '--repeat', '0', '--files', files);
    expect(output).toMatch(/^2 files 1 times, then 0 of them 0 times, beside 1 busy processes$/m);
    expect(output).toMatch(/^✓ all, 1 of 1: \d+ passed, 0 failed, \d+ s$/m);
    expect(code).toBe(0);
  });

  test.each([
    [['--whole', 'x'], '--whole must be an integer'],
    [['--unknown'], '--unknown'],
    [['--files', 'nothing like it'], 'no test file is selected'],
  ])('reports the error in %j', async (args, words) => {
    const { code, output } = await run(...args);
    expect(output).toContain(words);
    expect(code).toBe(2);
  });
});
