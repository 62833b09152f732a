import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { defaultLimits, goodsErrors, Market } from '../../src/goods.ts';
import { start } from '../support/program.ts';
import { codeOf, entriesOf, namesOf, withoutFacts } from './entries.ts';
import { PublicTypes } from './public-types.ts';

const reference = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'goods.md'), 'utf8');

const types = new PublicTypes();
afterAll(() => types.close());

/** The text of the entry with this heading. */
function entry(heading: string, name: string): string {
  const found = entriesOf(reference, heading).filter(({ names }) => names.includes(name));
  expect(found, `entries of ${name} below ${heading}`).toHaveLength(1);
  return found[0]!.text;
}

describe('docs/goods.md', () => {
  test.each([
    ['MarketOptions', 'Options of a market', 9],
    ['WireLimits', 'Limits', 7],
    ['Market', 'Methods and properties of a market', 14],
    ['Provider', 'Provider', 6],
    ['GoodsClientOptions', 'Options of a client', 8],
    ['ClientEvents', 'Events of a client', 2],
    ['GoodsClient', 'Methods and properties of a client', 9],
    ['SubscribeOptions', 'Options of a subscription', 5],
    ['Subscription', 'Methods and properties of a subscription', 6],
    ['Delivery', 'Fields of a delivery', 6],
    ['Backplane', 'Several processes', 5],
    ['Ledger', 'Ledger', 9],
  ])('has one entry for each member of %s, and for no other', (type, heading, least) => {
    const members = types.membersOf(type);
    expect(members.length).toBeGreaterThanOrEqual(least);
    expect(namesOf(reference, heading)).toEqual(members);
  });

  test('has one entry for each option of goods, and for no other', () => {
    // `defineGoods` takes the kind beside the others, so that it decides about the type of the items.
    const options = [...types.membersOf('GoodsOptions'), 'kind'].sort();
    expect(options.length).toBeGreaterThan(10);
    expect(namesOf(reference, 'Options of goods')).toEqual(options);
  });

  test('begins the entry of each option with its type and its default', () => {
    const headings = ['goods', 'a market', 'a client', 'a subscription'].map((of) => `Options of ${of}`);
    expect(withoutFacts(reference, ...headings, 'Limits')).toEqual([]);
  });

  test.each([
    ['HistoryOptions', 'Options of goods', 'history'],
    ['AccessRequest', 'Options of goods', 'authorize'],
    ['Observer', 'Options of a market', 'observer'],
    ['ServeOptions', 'Methods and properties of a market', 'serve'],
    ['ServeOptions', 'Methods and properties of a market', 'accept'],
    ['Revocation', 'Methods and properties of a market', 'revoke'],
    ['MarketStatistics', 'Methods and properties of a market', 'statistics'],
    ['GoodsStatistics', 'Methods and properties of a market', 'statistics'],
    ['ShutdownOptions', 'Methods and properties of a market', 'shutdown'],
    ['Link', 'Methods and properties of a market', 'connect'],
    ['MarketConnection', 'Methods and properties of a market', 'connect'],
    ['DemandEvents', 'Provider', 'shelve'],
    ['RemoteDemandEvents', 'Methods and properties of a client', 'shelve'],
    ['RequestOptions', 'Methods and properties of a client', 'supply'],
    ['BacklogOptions', 'Options of a subscription', 'buffer'],
    ['Clock', 'Options of a client', 'clock'],
    ['Gap', 'Fields of a delivery', 'gap'],
  ])('names each member of %s below “%s” in the entry of %s', (type, heading, name) => {
    const members = types.membersOf(type);
    expect(members.length).toBeGreaterThan(0);
    const code = codeOf(entry(heading, name));
    expect(members.filter((member) => !new RegExp(`\\b${member}\\b`).test(code))).toEqual([]);
  });

  test('has a row with an anchor for each error code, and for no other', () => {
    const rows = [...reference.matchAll(/^\| <a id="code-([\w-]+)"><\/a>`([\w-]+)`/gm)];
    expect(rows.map(([, anchor, code]) => [anchor, code])).toEqual(
      Object.keys(goodsErrors).map((code) => [code, code]),
    );
  });

  test('has a row with an anchor for each reason of a gap, and for no other', () => {
    const rows = [...reference.matchAll(/^\| <a id="gap-([\w-]+)"><\/a>`([\w-]+)`/gm)];
    const reasons = types.membersOfUnion('GapReason');
    expect(reasons.length).toBeGreaterThan(5);
    expect(rows.map(([, anchor, reason]) => [anchor, reason]).sort()).toEqual(reasons.map((one) => [one, one]));
  });

  test('has a row with its fields for each class of errors', () => {
    const rows = [...reference.matchAll(/^\| `(\w+Error)` \| .+ \| (.*)\|$/gm)];
    const documented = rows.map(([, name, fields]) => [name, fields?.match(/\w+/g)?.sort() ?? []]);
    const classes = ['GoodsError', 'ConnectionError', 'ClosedError', 'RevokedError', 'BacklogError', 'WireError'];
    const actual = classes.map((name) => {
      const own = types.membersOf(name).filter((member) => member !== 'name');
      return [name, name === 'GoodsError' ? [...own, 'message'].sort() : own];
    });
    expect(documented).toEqual(actual);
  });

  test('gives the defaults of a market', () => {
    const defaultOf = (heading: string, name: string) => /· default ([\d ]*\d)/.exec(entry(heading, name))?.[1];
    const digits = (text = '') => Number(text.replaceAll(' ', ''));
    for (const [name, value] of Object.entries(defaultLimits))
      expect(digits(defaultOf('Limits', name)), name).toBe(value);
    expect(digits(defaultOf('Options of a market', 'heartbeat'))).toBe(new Market().heartbeat);
  });

  test('has a program that prints what it says', async () => {
    const programs = [...reference.matchAll(/^```js\n(.*?)^```$/gms)].map((match) => match[1] as string);
    const outputs = [...reference.matchAll(/^```text\n(.*?)^```$/gms)].map((match) => match[1] as string);
    expect([programs.length, outputs.length]).toEqual([1, 1]);
    const { stdout, stderr } = await start('--input-type=module', {}, ['-e', programs[0]!]).exit;
    expect([stdout, stderr]).toEqual([outputs[0], '']);
  });
});
