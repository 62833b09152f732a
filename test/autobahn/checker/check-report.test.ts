import { describe, expect, test } from 'vitest';
import { checkReport } from '../../../autobahn/checker/check-report.ts';
import { type CaseEntry, goodReport } from './reports.ts';

const ids = ['1.1.1', '3.2', '6.4.1', '7.1.6', '7.13.1', '7.13.2', '9.1.6', '12.1.18'];

/** Returns the defects of a report of one agent with changed entries. */
function defectsOf(changes: Readonly<Record<string, Partial<CaseEntry>>>) {
  const report = goodReport(['peer'], ids);
  for (const [id, change] of Object.entries(changes)) Object.assign(report.peer![id]!, change);
  return checkReport(JSON.stringify(report), ids).defects;
}

test('a report in which every case is OK, and the three informational cases are INFORMATIONAL, has no defect', () => {
  expect(defectsOf({})).toEqual([]);
});

test('the three informational cases may be OK too', () => {
  const ok = { behavior: 'OK', behaviorClose: 'OK' };
  expect(defectsOf({ '7.1.6': ok, '7.13.1': ok, '7.13.2': ok })).toEqual([]);
});

describe.each(['behavior', 'behaviorClose'] as const)('%s', (key) => {
  test.each([
    'FAILED',
    'NON-STRICT',
    'UNIMPLEMENTED',
    'INFORMATIONAL',
    'UNCLEAN',
    'WRONG CODE',
    'FAILED BY CLIENT',
    'NO CLOSE',
    'ok',
    '',
  ])('"%s" is a defect', (value) => {
    expect(defectsOf({ '6.4.1': { [key]: value } })).toEqual([
      { agent: 'peer', id: '6.4.1', problem: `${key} is ${value}` },
    ]);
  });

  test.each(['7.1.6', '7.13.1', '7.13.2'])('of the informational case %s may not be FAILED', (id) => {
    expect(defectsOf({ [id]: { [key]: 'FAILED' } })).toEqual([{ agent: 'peer', id, problem: `${key} is FAILED` }]);
  });

  test.each([undefined, null, 1, ['OK'], { OK: true }])('a status of %j, which is not text, is a defect', (value) => {
    expect(defectsOf({ '3.2': { [key]: value } as object })).toEqual([
      { agent: 'peer', id: '3.2', problem: `${key} is missing` },
    ]);
  });
});

test('both behaviors are named if both are wrong', () => {
  expect(defectsOf({ '3.2': { behavior: 'FAILED', behaviorClose: 'UNCLEAN' } })).toEqual([
    { agent: 'peer', id: '3.2', problem: 'behavior is FAILED, behaviorClose is UNCLEAN' },
  ]);
});

test('every missing case is a defect', () => {
  const report = JSON.stringify(goodReport(['peer'], ids.slice(0, -2)));
  expect(checkReport(report, ids).defects).toEqual([
    { agent: 'peer', id: '9.1.6', problem: 'is missing' },
    { agent: 'peer', id: '12.1.18', problem: 'is missing' },
  ]);
});

test('an unknown case is a defect, even if it is OK', () => {
  const report = JSON.stringify(goodReport(['peer'], [...ids, '99.1']));
  expect(checkReport(report, ids).defects).toEqual([{ agent: 'peer', id: '99.1', problem: 'is an unexpected case' }]);
});

test('a case whose entry is not an object is a defect', () => {
  const report = { peer: { ...goodReport(['peer'], ids).peer, '3.2': 'OK' } };
  expect(checkReport(JSON.stringify(report), ids).defects).toEqual([
    { agent: 'peer', id: '3.2', problem: 'behavior is missing, behaviorClose is missing' },
  ]);
});

describe('with several agents', () => {
  test('each must pass', () => {
    const report = goodReport(['first', 'second', 'third'], ids);
    expect(checkReport(JSON.stringify(report), ids).defects).toEqual([]);
    report.second!['3.2']!.behavior = 'NON-STRICT';
    expect(checkReport(JSON.stringify(report), ids).defects).toEqual([
      { agent: 'second', id: '3.2', problem: 'behavior is NON-STRICT' },
    ]);
  });

  test('each must be complete', () => {
    const report = goodReport(['first', 'second'], ids);
    delete report.second!['3.2'];
    expect(checkReport(JSON.stringify(report), ids).defects).toEqual([
      { agent: 'second', id: '3.2', problem: 'is missing' },
    ]);
  });

  test.each(['__proto__', 'constructor', 'toString', ''])('one may be named "%s"', (agent) => {
    const cases = JSON.stringify(goodReport(['peer'], ids).peer);
    const text = `{${JSON.stringify(agent)}: ${cases.replace('"OK"', '"FAILED"')}}`;
    const { agents, defects } = checkReport(text, ids);
    expect([...agents.keys()]).toEqual([agent]);
    expect(defects).toEqual([{ agent, id: '1.1.1', problem: 'behavior is FAILED' }]);
  });
});

test('a case called __proto__ is an unknown case', () => {
  const { defects } = checkReport('{"peer": {"__proto__": {"behavior": "OK", "behaviorClose": "OK"}}}', []);
  expect(defects).toEqual([{ agent: 'peer', id: '__proto__', problem: 'is an unexpected case' }]);
});

describe('an invalid report is a defect, not an exception', () => {
  test.each(['', '{', 'OK', '{"peer": {"1.1.1": {"behavior": "OK"'])('invalid JSON: %s', (text) => {
    const { agents, defects } = checkReport(text, ids);
    expect(agents.size).toBe(0);
    expect(defects).toEqual([{ problem: expect.stringMatching(/^the report is not JSON: /) }]);
  });

  test.each(['null', '[]', '1', '"OK"', 'true'])('not an object: %s', (text) => {
    expect(checkReport(text, ids).defects).toEqual([{ problem: 'the report is not an object of agents' }]);
  });

  test('no agent', () => {
    expect(checkReport('{}', ids).defects).toEqual([{ problem: 'the report has no agents' }]);
  });

  test.each(['null', '[]', '"OK"'])('an agent without cases: %s', (cases) => {
    expect(checkReport(`{"peer": ${cases}}`, ids).defects).toEqual([
      { agent: 'peer', problem: 'has no cases: expected an object' },
    ]);
  });

  test('an agent without any case lacks every case', () => {
    expect(checkReport('{"peer": {}}', ids).defects).toHaveLength(ids.length);
  });
});
