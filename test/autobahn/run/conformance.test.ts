import { describe, expect, test } from 'vitest';
import { selectCases } from '../../../autobahn/cases/select-cases.ts';
import { type Direction, notOk, runCases } from './peers.ts';

/** All cases of group 9, with long messages or many pieces, run before a release and in .ci/run. */
const isEverything = process.env.GOODWIRE_ALL_CASES !== undefined;
const others = isEverything ? '12.*,13.*' : '9.*,12.*,13.*';
const long = ['9.1.1', '9.1.6', '9.2.6', '9.3.1', '9.3.9', '9.4.4', '9.5.6', '9.6.4', '9.7.1', '9.7.6', '9.8.3'];

/** Long, because cases have their own limits. */
const enough = 1_200_000;

/** Cases whose outcome the RFC leaves open. */
const informational = ['7.1.6', '7.13.1', '7.13.2'].map((id) => `${id} INFORMATIONAL/INFORMATIONAL`);

describe.each<Direction>(['server', 'client'])('as a %s', (direction) => {
  test('goodwire passes the cases of the groups 1 to 10', { timeout: enough }, async () => {
    const chosen = new Set([...selectCases('*', others), ...selectCases(long.join())]);
    const cases = selectCases('*').filter((definition) => chosen.has(definition));
    const results = await runCases('goodwire', direction, cases);
    expect(results.map(({ id }) => id)).toEqual(cases.map(({ id }) => id));
    expect(notOk(results)).toEqual(informational);
  });

  test('goodwire passes cases of each kind of message and each parameter of compression', {
    timeout: enough,
  }, async () => {
    const kinds = Array.from({ length: 5 }, (_, index) => `12.${index + 1}.3`);
    const parameters = Array.from({ length: 7 }, (_, index) => `13.${index + 1}.3`);
    // Also messages longer than a small window, in many frames.
    const list = [...kinds, ...parameters, '13.5.11'];
    expect(notOk(await runCases('goodwire', direction, selectCases(list.join())))).toEqual([]);
  });

  test('ws fails late if a frame boundary cuts invalid UTF-8, and passes the other cases', {
    timeout: enough,
  }, async () => {
    const cases = selectCases('1.*,2.*,3.*,4.*,5.*,6.4.*,6.6.*,7.*,10.*,12.1.3,13.3.3,13.7.11');
    const late = [1, 2, 3, 4].map((number) => `6.4.${number} NON-STRICT/OK`);
    expect(notOk(await runCases('ws', direction, cases))).toEqual([...late, ...informational]);
  });
});
