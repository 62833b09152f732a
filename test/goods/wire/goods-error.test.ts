import { expect, test } from 'vitest';
import { GoodsError, type GoodsErrorCode, goodsErrors, WireError } from '../../../src/goods/wire/goods-error.ts';

test.each(Object.keys(goodsErrors) as GoodsErrorCode[])('the message of %s is that of the table', (code) => {
  const error = new GoodsError(code);
  expect(error).toMatchObject({ name: 'GoodsError', code, message: goodsErrors[code], retryAfter: undefined });
  expect(goodsErrors[code].length).toBeGreaterThan(10);
});

test('a detail stands behind the message, and the cause and retryAfter are kept', () => {
  const cause = new Error('why');
  const error = new GoodsError('rate-limited', 'n/1', { cause, retryAfter: 20 });
  expect(error.message).toBe(`${goodsErrors['rate-limited']}: n/1`);
  expect(error).toMatchObject({ cause, retryAfter: 20 });
  expect(error).toBeInstanceOf(Error);
});

test('an error of the wire has a close code, and keeps its cause', () => {
  const cause = new SyntaxError('why');
  const error = new WireError(1007, 'no JSON', { cause });
  expect(error).toMatchObject({ name: 'WireError', closeCode: 1007, message: 'no JSON', cause });
  expect(new WireError(1003, '').cause).toBeUndefined();
});
