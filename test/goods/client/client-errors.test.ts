import { expect, test } from 'vitest';
import {
  BacklogError,
  ClosedError,
  ConnectionError,
  RevokedError,
  refusalOf,
} from '../../../src/goods/client/client-errors.ts';
import { GoodsError } from '../../../src/goods/wire/goods-error.ts';

test('each error has a name, and the fields that its document promises', () => {
  const cause = new Error('why');
  expect(new ConnectionError('lost', 1011, 'fault', { cause })).toMatchObject({
    name: 'ConnectionError',
    message: 'lost',
    closeCode: 1011,
    reason: 'fault',
    cause,
  });
  expect(new ClosedError({ cause })).toMatchObject({ name: 'ClosedError', message: 'the client is closed', cause });
  expect(new RevokedError('n', 'not paid')).toMatchObject({ name: 'RevokedError', goods: 'n', reason: 'not paid' });
  expect(new RevokedError('n', 'not paid').message).toBe('the subscription to n was revoked: not paid');
  expect(new BacklogError('n', 7)).toMatchObject({ name: 'BacklogError', size: 7 });
  expect(new BacklogError('n', 7).message).toBe('more than 7 items of n wait to be taken');
});

test('a refusal keeps the code, the message of the market, and retryAfter', () => {
  const error = refusalOf({ op: 'error', id: 1, code: 'rate-limited', message: 'as the market says', retryAfter: 5 });
  expect(error).toBeInstanceOf(GoodsError);
  expect(error).toMatchObject({ code: 'rate-limited', message: 'as the market says', retryAfter: 5 });
});
