import fc from 'fast-check';
import { expect, test } from 'vitest';
import { messageOf, stackOf } from '../../../src/goods/definition/thrown.ts';

const hidden = 'a value that cannot be shown';

function errorWith(property: 'message' | 'stack', descriptor: PropertyDescriptor): Error {
  return Object.defineProperty(new Error('original'), property, descriptor);
}

const throwing = {
  get: () => {
    throw new Error('getter');
  },
};

test.each([
  ['an Error', new TypeError('no'), 'no'],
  ['a string', 'no', 'no'],
  ['undefined', undefined, 'undefined'],
  ['a symbol', Symbol('s'), 'Symbol(s)'],
  ['an object without a prototype', Object.create(null), hidden],
  ['an Error whose message cannot be read', errorWith('message', throwing), hidden],
])('the message of %s', (_title, thrown, expected) => {
  expect(messageOf(thrown)).toBe(expected);
});

test('the stack of an Error, its message if it has no stack, and any other value as text', () => {
  const error = new Error('no');
  expect(stackOf(error)).toBe(error.stack);
  expect(stackOf(errorWith('stack', { value: undefined }))).toBe('original');
  expect(stackOf(5)).toBe('5');
  expect(stackOf(errorWith('stack', throwing))).toBe(hidden);
  expect(stackOf(Object.create(null))).toBe(hidden);
});

test('any thrown value gives a text, and nothing is thrown', () => {
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true, withSparseArray: true }), (value) => {
      expect(typeof messageOf(value)).toBe('string');
      expect(typeof stackOf(value)).toBe('string');
    }),
  );
});
