import { describe, expect, test } from 'vitest';
import type { Goods } from '../../../src/goods/definition/goods.ts';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import { Admission, type Applicant } from '../../../src/goods/market/admission.ts';
import { type Apple, apple, Notes, shop, TestMarket } from '../../support/test-market.ts';

describe('authorize', () => {
  test('is called of the market and of the goods, on each subscribe, resume and supply', () => {
    const asked: string[] = [];
    const goods = defineGoods<Apple, undefined, string>('fruit/apple', {
      remote: true,
      authorize: (subscriber, { action }) => {
        asked.push(`goods ${subscriber.user} ${action}`);
        return action !== 'supply';
      },
    });
    const testMarket = new TestMarket<string>({
      authorize: (subscriber, { action, goods: name }) => {
        asked.push(`market ${subscriber.user} ${action} ${name}`);
        return subscriber.user !== 'mallory';
      },
    });
    testMarket.market.provider('p').shelve(goods);
    const [alice, mallory] = [testMarket.connect('alice'), testMarket.connect('mallory')];
    const since = [{ goods: 'fruit/apple', epoch: 'x', offset: 1 }];
    alice.subscribe('fruit/apple');
    alice.subscribe('fruit/apple', { since });
    expect(alice.ask('supply', { goods: 'fruit/apple', items: [{ price: 1 }] })).toMatchObject({ code: 'forbidden' });
    expect(mallory.subscribe('fruit/apple')).toMatchObject({ code: 'forbidden' });
    expect(mallory.subscribe('fruit/*')).toMatchObject({ op: 'ok', streams: [] });
    expect(asked).toEqual([
      'market alice subscribe fruit/apple',
      'goods alice subscribe',
      'market alice resume fruit/apple',
      'goods alice resume',
      'market alice supply fruit/apple',
      'goods alice supply',
      'market mallory subscribe fruit/apple',
      'market mallory subscribe fruit/apple',
    ]);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('down');
      },
      1,
    ],
    ['rejects', () => Promise.reject(new Error('down')), 1],
    ['resolves to false', async () => false, 0],
    ['returns a value that is truthy, and not true', () => 1 as unknown as boolean, 0],
  ])('refuses the request if it %s', async (_title, authorize, failures) => {
    const { testMarket, orchard } = shop(defineGoods<Apple>('fruit/apple', { authorize }));
    const one = testMarket.connect();
    expect(await one.askLater('subscribe', { goods: 'fruit/apple' })).toMatchObject({ code: 'forbidden' });
    // A pattern leaves the goods out without an error.
    expect(await one.askLater('subscribe', { goods: 'fruit/*' })).toMatchObject({ streams: [] });
    orchard.supply(apple, { price: 1 });
    testMarket.flush();
    expect(one.take()).toEqual(['error forbidden', 'ok']);
    expect(testMarket.notes.failures).toHaveLength(2 * failures);
  });
});

describe('variant', () => {
  test('that throws, or returns no text, refuses the subscribe', () => {
    const goods = defineGoods<Apple, unknown>('fruit/apple', {
      variant: (_subscriber, params) => {
        if (params === 1) throw new Error('no');
        return params as string;
      },
    });
    const { testMarket } = shop(goods);
    const one = testMarket.connect();
    for (const params of [1, 2, null, 'x'.repeat(256), '\ud800']) {
      expect(one.subscribe('fruit/apple', { params })).toMatchObject({ op: 'error', code: 'variant-failed' });
    }
    expect(one.subscribe('fruit/apple', { params: 'x' })).toMatchObject({ op: 'ok' });
    expect(testMarket.notes.failures).toHaveLength(5);
  });
});

describe('params', () => {
  test('params are checked by a function or a schema, at once or later', async () => {
    const schema = (validate: (value: unknown) => unknown) => ({
      '~standard': { version: 1 as const, vendor: 'test', validate: validate as never },
    });
    const testMarket = new TestMarket();
    const provider = testMarket.market.provider('p');
    const variant = (_subscriber: unknown, params: unknown) => String(params);
    provider.shelve(defineGoods<number, number>('function', { params: (value) => Number(value) + 1, variant }));
    provider.shelve(
      defineGoods('schema', {
        params: schema((value) => (value === 1 ? { value: 'one' } : { issues: [{ message: 'not one' }] })),
        variant,
      }),
    );
    provider.shelve(defineGoods('later', { params: schema(async (value) => ({ value })), variant }));
    provider.shelve(defineGoods('never', { params: schema(() => Promise.reject(new Error('no'))), variant }));
    const one = testMarket.connect();
    expect(one.subscribe('function', { params: 1 })).toMatchObject({ streams: [{ variant: '2' }] });
    expect(one.subscribe('schema', { params: 1 })).toMatchObject({ streams: [{ variant: 'one' }] });
    expect(one.subscribe('schema', { params: 2 })).toMatchObject({ code: 'bad-params', message: /not one/ });
    expect(await one.askLater('subscribe', { goods: 'later', params: 3 })).toMatchObject({
      streams: [{ variant: '3' }],
    });
    expect(await one.askLater('subscribe', { goods: 'never', params: 3 })).toMatchObject({ code: 'bad-params' });
  });

  test('are refused by goods that take none', () => {
    const { testMarket } = shop();
    expect(testMarket.connect().subscribe('fruit/apple', { params: {} })).toMatchObject({ code: 'bad-params' });
  });
});

describe('alone', () => {
  const applicant = (options: Goods['options'], params?: unknown): Applicant => ({
    subscriber: { id: 1, user: undefined },
    goods: defineGoods('n', options as never) as unknown as Goods,
    name: 'n',
    params,
    action: 'subscribe',
  });
  const admission = (options = {}) => new Admission(options, new Notes());

  test('answers at once if all hooks do, and with a promise if one does not', async () => {
    expect(admission().admit(applicant({}))).toBe('');
    const variant = () => 'v';
    const validated = { params: (value: unknown) => value, variant };
    expect(admission({ authorize: () => true }).admit(applicant(validated, 1))).toBe('v');
    expect(await admission({ authorize: async () => true }).admit(applicant(validated, 1))).toBe('v');
    expect(await admission().admit(applicant({ params: async (value) => value, variant }, 1))).toBe('v');
  });

  test('calls the hook of the goods only if the market allows the request', () => {
    const calls: string[] = [];
    const goods = applicant({ authorize: () => calls.push('goods') > 0 });
    const market = (isAllowed: boolean) => admission({ authorize: () => calls.push('market') > 0 && isAllowed });
    expect(() => market(false).authorize(goods)).toThrow(expect.objectContaining({ code: 'forbidden' }));
    market(true).authorize(goods);
    expect(calls).toEqual(['market', 'market', 'goods']);
  });

  test('tryToAdmit gives null in place of an error, at once or later', async () => {
    const refused = applicant({ authorize: () => false });
    expect(admission().tryToAdmit(refused)).toBeNull();
    expect(await admission().tryToAdmit(applicant({ authorize: async () => false }))).toBeNull();
    expect(admission().tryToAdmit(applicant({}))).toBe('');
  });

  test.each<[string, Goods, readonly unknown[]]>([
    ['text that is a number', defineGoods<string>('n', { kind: 'text' }) as unknown as Goods, ['a', 5]],
    ['JSON that is bytes', defineGoods('n') as unknown as Goods, [1, Uint8Array.of(1)]],
    ['bytes that are text', defineGoods<Uint8Array>('n', { kind: 'bytes' }) as unknown as Goods, ['a']],
    [
      'an item that the validator refuses',
      defineGoods('n', {
        item: () => {
          throw new Error('no');
        },
      }) as unknown as Goods,
      [1],
    ],
  ])('refuses %s with bad-item', (_title, goods, items) => {
    expect(() => admission().checkItems(goods, items)).toThrow(expect.objectContaining({ code: 'bad-item' }));
  });

  test('refuses an item that the validator rejects later', async () => {
    const goods = defineGoods('n', { item: () => Promise.reject(new Error('late')) }) as unknown as Goods;
    await expect(admission().checkItems(goods, [1])).rejects.toMatchObject({ code: 'bad-item' });
  });

  test('gives the items as the validator returns them, in order', async () => {
    const goods = (item: (value: unknown) => unknown) => defineGoods('n', { item }) as unknown as Goods;
    const items = [1, 2];
    expect(admission().checkItems(defineGoods('n') as unknown as Goods, items)).toBe(items);
    expect(
      admission().checkItems(
        goods((value) => Number(value) * 2),
        items,
      ),
    ).toEqual([2, 4]);
    const later = goods((value) => (value === 1 ? Promise.resolve('later') : 'now'));
    expect(await admission().checkItems(later, items)).toEqual(['later', 'now']);
  });
});
