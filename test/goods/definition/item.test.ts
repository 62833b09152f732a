import { expect, test } from 'vitest';
import { type Kind, packItem } from '../../../src/goods/definition/item.ts';

test('an item of kind json is packed as its JSON text', () => {
  expect(packItem('json', { price: 3, tags: ['a', null] })).toBe('{"price":3,"tags":["a",null]}');
  expect(packItem('json', null)).toBe('null');
});

test('an item of kind text is packed as a JSON string, lone surrogates escaped', () => {
  expect(packItem('text', '\ud800 "quoted"')).toBe('"\\ud800 \\"quoted\\""');
});

test('an item of kind bytes is returned as it is, without a copy', () => {
  const bytes = Uint8Array.of(0xca, 0xfe);
  expect(packItem('bytes', bytes)).toBe(bytes);
});

test.each<[Kind, unknown, string]>([
  ['json', undefined, 'JSON cannot hold an item that is a undefined'],
  ['json', () => 1, 'JSON cannot hold an item that is a function'],
  ['json', Symbol('s'), 'JSON cannot hold an item that is a symbol'],
  ['json', 1n, 'BigInt'],
  ['text', 5, 'An item of text is a string; got number'],
  ['text', undefined, 'An item of text is a string; got undefined'],
  ['bytes', 'text', 'An item made of bytes is a Uint8Array; got string'],
  ['bytes', [1, 2], 'An item made of bytes is a Uint8Array; got object'],
])('goods of kind %s cannot have the item %s', (kind, item, message) => {
  expect(() => packItem(kind, item)).toThrow(TypeError);
  expect(() => packItem(kind, item)).toThrow(message);
});
