import { describe, expect, test } from 'vitest';
import type { CaseDefinition } from '../../autobahn/cases/case-definition.ts';
import { catalogue } from '../../autobahn/cases/catalogue.ts';
import type { CaseResult } from '../../autobahn/report/case-result.ts';
import { statusOf } from '../../autobahn/report/report-data.ts';
import { runFuzzingClient } from '../../autobahn/run/fuzzing-client.ts';
import { FuzzingServer } from '../../autobahn/run/fuzzing-server.ts';
import { start } from '../support/program.ts';
import { isSelected } from './broken/select-cases.ts';

type Role = 'server' | 'client';
/** Cases in which an implementation is not OK, by result. */
type Flaws = Readonly<Record<string, readonly string[]>>;

const both = (flaws: Flaws): Readonly<Record<Role, Flaws>> => ({ server: flaws, client: flaws });

/** Known flaws of other implementations with default options; docs/conformance.md describes them. */
const knownFlaws: Readonly<Record<string, Readonly<Record<Role, Flaws>>>> = {
  // ws validates UTF-8 at the end of the message, and limits the number of fragments.
  ws: both({ 'NON-STRICT': ['6.4.*'], FAILED: ['9.3.1', '9.4.1'] }),
  'faye-websocket': both({ 'NON-STRICT': ['6.4.*'] }),
  // websocket limits frames to 64 KiB and messages to 1 MiB as a server, and to 1 MiB and 8 MiB as a client. It has no
  // permessage-deflate.
  websocket: {
    server: {
      'NON-STRICT': ['6.4.*'],
      FAILED: ['9.*', '!9.1.1', '!9.2.1', '!9.7.*', '!9.8.*'],
      UNIMPLEMENTED: ['12.*', '13.*'],
    },
    client: {
      'NON-STRICT': ['6.4.*'],
      FAILED: ['9.1.4-6', '9.2.4-6', '9.3.9', '9.4.9'],
      UNIMPLEMENTED: ['12.*', '13.*'],
    },
  },
};

/** Many cases of group 6 differ only in their text. */
const texts =
  process.env.GOODWIRE_ALL_CASES !== undefined
    ? ['6.*']
    : ['6.1.*', '6.2.*', '6.3.*', '6.4.*', '6.6.*', '6.9.*', '6.12.*', '6.22.1-4'];

/** All fast cases. npm run conformance:peers runs all cases. */
const patterns = [
  ...[
    '1.*',
    '2.*',
    '3.*',
    '4.*',
    '5.*',
    ...texts,
    '7.*',
    '9.1.1',
    '9.1.4',
    '9.2.3',
    '9.3.1',
    '9.3.9',
    '9.4.5',
    '9.6.6',
  ],
  ...['9.7.1', '10.*', '12.1.1', '12.2.2', '13.2.1', '13.3.1', '13.7.2'],
];
const cases = catalogue.filter(({ id }) => isSelected(id, patterns));
const options = { cases, parallel: 4, patience: 15_000 };

async function testServer(name: string): Promise<CaseResult[]> {
  const program = start('autobahn/peers/echo-server.js', { PORT: '0' }, [name]);
  const [url] = await program.prints(/ws:\/\/127\.0\.0\.1:\d+/);
  const results = await runFuzzingClient({ ...options, url: new URL(url), agent: name });
  program.kill('SIGKILL');
  await program.exit;
  return results;
}

async function testClient(name: string): Promise<CaseResult[]> {
  const server = new FuzzingServer({ ...options, port: 0 });
  const port = await server.listen();
  const { exit } = start('autobahn/peers/echo-client.js', { PARALLEL: '4' }, [`ws://127.0.0.1:${port}`, name]);
  expect(await exit).toMatchObject({ code: 0, stderr: '' });
  const results = await server.results(name);
  await server.close();
  return results;
}

function wanted({ id, isInformational }: CaseDefinition, flaws: Flaws): string {
  const flaw = Object.entries(flaws).find(([, flawed]) => isSelected(id, flawed));
  return `${id}: ${flaw?.[0] ?? (isInformational ? 'INFORMATIONAL' : 'OK')}`;
}

describe.each(Object.keys(knownFlaws))('%s', (name) => {
  test.each([
    ['server', testServer],
    ['client', testClient],
  ] as const)('as a %s has its known results', async (role, run) => {
    const results = await run(name);
    const verdicts = results.toSorted((left, right) => left.case - right.case);
    expect(verdicts.map((result) => `${result.id}: ${statusOf(result)}`)).toEqual(
      cases.map((definition) => wanted(definition, knownFlaws[name]![role])),
    );
  });
});
