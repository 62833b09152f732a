import { describe, expect, test } from 'vitest';
import { linesOf, run } from './run.ts';
import scenario from './scenario.cjs';

const node = process.execPath;
const { talked, traded } = scenario;

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
}

/** Runs a test runner that writes a report in JSON, and returns its counts. @throws Error with its output if there is no report. */
async function report(args: readonly string[]): Promise<Report> {
  const { stdout, stderr } = await run(node, args);
  try {
    return JSON.parse(stdout.slice(stdout.indexOf('{'))) as Report;
  } catch (cause) {
    throw new Error(`${stdout}\n${stderr}`, { cause });
  }
}

test('in Jest: node and jsdom, with and without fake timers from the start, and jsdom as a browser', async () => {
  const { numPassedTests, numFailedTests } = await report([
    'node_modules/jest/bin/jest.js',
    '--config=jest/jest.config.cjs',
    '--json',
  ]);
  expect({ numPassedTests, numFailedTests }).toEqual({ numPassedTests: 13, numFailedTests: 0 });
});

test('in Vitest: node, jsdom and happy-dom, in this realm and in that of a vm, with real and fake timers', async () => {
  const { numPassedTests, numFailedTests } = await report([
    'node_modules/vitest/vitest.mjs',
    'run',
    '--root=vitest',
    '--reporter=json',
  ]);
  expect({ numPassedTests, numFailedTests }).toEqual({ numPassedTests: 35, numFailedTests: 0 });
});

describe('with sinon', () => {
  test.each(['before', 'after'])(
    'timers faked %s loading stop nothing, and a test can advance a deadline',
    async (moment) => {
      expect(await linesOf(node, ['programs/sinon.cjs', moment])).toEqual([
        `echo: ${talked}`,
        'stream: through a stream',
        `market: ${traded}`,
        'deadline: Opening handshake has timed out',
        'without ticks',
      ]);
    },
  );
});
