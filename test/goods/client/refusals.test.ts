import { expect, test } from 'vitest';
import { ConnectionError } from '../../../src/goods/client/client-errors.ts';
import { mayPass } from '../../../src/goods/client/refusals.ts';
import { GoodsError, type GoodsErrorCode, goodsErrors } from '../../../src/goods/wire/goods-error.ts';

/** Codes that may pass: always, or only for what was granted before. */
const always = ['too-many-pending', 'rate-limited', 'closing'];
const ifGranted = ['unknown-goods', 'already-shelved', 'internal'];

test.each(Object.keys(goodsErrors) as GoodsErrorCode[])('a request that was refused with %s', (code) => {
  const error = new GoodsError(code);
  expect(mayPass(error, false)).toBe(always.includes(code));
  expect(mayPass(error, true)).toBe(always.includes(code) || ifGranted.includes(code));
});

test.each(['of-a-later-version', 'constructor', '__proto__'])('the unknown code %s is final', (code) => {
  expect(mayPass(new GoodsError(code as GoodsErrorCode), true)).toBe(false);
});

test('an error that is no refusal is final', () => {
  for (const error of [new Error('mine'), new ConnectionError('lost', 1006, '')]) {
    expect(mayPass(error, true)).toBe(false);
  }
});
