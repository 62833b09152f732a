import { describe, expect, test } from 'vitest';
import type { CaseDefinition } from '../../../autobahn/cases/case-definition.ts';
import { catalogue } from '../../../autobahn/cases/catalogue.ts';
import { type FaultName, faultTable } from './faults.ts';
import { isSelected } from './select-cases.ts';
import { differences, isTouched, type Role, runFault } from './verdicts.ts';

/**
 * npm run conformance:peers runs every case with every fault, which takes hours. npm run test:all skips most heavy
 * cases. npm test runs some cases in which a fault shows, and some in which it does not.
 */
const isEverything = process.env.GOODWIRE_ALL_CASES === '1';
const isAlmostEverything = process.env.GOODWIRE_ALL_CASES === 'light';

/** Maximum number of cases run in which a fault shows. */
const NEAR = 5;

/** Cases that take long or a lot of memory. They run only with faults that concern them. */
const heavy = ['9.*', '12.*', '13.*'];
const light = [
  '9.1.1',
  '9.2.1',
  '9.3.5',
  '9.4.6',
  '9.5.6',
  '9.6.6',
  '12.1.2',
  '13.2.2',
  '13.3.2',
  '13.5.5',
  '13.6.1',
  '13.7.4',
];

/** Various cases. Each fault runs with one half of them, alternately. */
const sample = [
  '1.1.2',
  '1.2.6',
  '2.3',
  '2.10',
  '3.2',
  '4.1.1',
  '4.2.4',
  '5.2',
  '5.7',
  '5.18',
  '6.1.3',
  '6.2.3',
  '6.6.1',
];
const moreSample = [
  '6.22.1',
  '7.1.1',
  '7.1.3',
  '7.1.6',
  '7.3.1',
  '7.3.6',
  '7.5.1',
  '7.7.2',
  '7.9.3',
  '7.13.1',
  '10.1.1',
];

const names = Object.keys(faultTable) as FaultName[];

function casesFor(fault: FaultName | undefined): CaseDefinition[] {
  if (isEverything) return [...catalogue];
  const affordable = catalogue.filter(({ id }) => !isSelected(id, heavy) || isSelected(id, light));
  if (isAlmostEverything) return affordable;
  const near = affordable.filter(({ id }) => fault !== undefined && isTouched(fault, id));
  const step = Math.max(1, near.length / NEAR);
  const half = fault === undefined ? [...sample, ...moreSample] : names.indexOf(fault) % 2 === 0 ? sample : moreSample;
  const chosen = new Set(half);
  for (let index = 0; index < near.length; index += step) chosen.add(near[Math.floor(index)]!.id);
  return catalogue.filter(({ id }) => chosen.has(id));
}

/** Failing cases mostly wait, so twelve at once leave the processor idle. */
const options = isEverything ? { parallel: 4, patience: 5000 } : { parallel: 12, patience: 1000 };
const timeout = isEverything ? 3_600_000 : 600_000;

async function differencesOf(fault: FaultName | undefined, role: Role): Promise<string[]> {
  const cases = casesFor(fault);
  const results = await runFault(fault, role, { cases, ...options });
  expect(results.map(({ id }) => id).sort()).toEqual(cases.map(({ id }) => id).sort());
  return differences(fault, results);
}

describe.each(['server', 'client'] as const)('for a peer that is a %s, the runner', (role) => {
  test('reports no failure without a fault', { timeout }, async () => {
    expect(await differencesOf(undefined, role)).toEqual([]);
  });

  const possible = names.filter((name) => (faultTable[name].role ?? role) === role);
  test.each(possible)('reports the expected failure and no other: %s', { timeout }, async (fault) => {
    expect(await differencesOf(fault, role)).toEqual([]);
  });
});

test('at least twenty faults are detected; each fails some case or states why not', () => {
  const seen = names.filter((name) => faultTable[name].unseen === undefined);
  expect(seen.length).toBeGreaterThanOrEqual(25);
  expect(seen.filter((name) => !catalogue.some(({ id }) => isTouched(name, id)))).toEqual([]);
  const unseen = names.filter((name) => faultTable[name].unseen !== undefined);
  expect(unseen.filter((name) => catalogue.some(({ id }) => isTouched(name, id)))).toEqual([]);
});

describe('the report of the runner', () => {
  const failureOf = async (fault: FaultName, id: string): Promise<string | null> => {
    const cases = catalogue.filter((definition) => definition.id === id);
    const [result] = await runFault(fault, 'server', { cases, parallel: 1, patience: 1000 });
    return result!.goodwire.failure;
  };

  test.each([
    [
      'UTF-8 checked at the end of the message',
      '6.4.3',
      'The peer failed the connection, but later than it could have.',
    ],
    ['falls silent at errors', '6.4.3', 'We gave up: the peer did not fail the connection.'],
    ['messages limited to 1 MiB', '9.1.4', expect.stringMatching(/ The peer closed with the close code 1009\.$/)],
    [
      'control frames between fragments refused',
      '5.6',
      expect.stringMatching(/ The peer closed with the close code 1002\.$/),
    ],
    ['close answered with another code', '7.3.1', 'The close code was 4321; expected 1000.'],
    ['UTF-8 unchecked', '6.6.1', expect.stringMatching(/^The peer broke the protocol: a text message is not UTF-8/)],
    ['errors drop the connection', '6.6.1', null],
  ] as const)('names the reason of a failure: %s, in %s', async (fault, id, words) => {
    expect(await failureOf(fault, id)).toEqual(words);
  });
});
