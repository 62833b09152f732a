import { createContext, runInContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isArrayBuffer, isError, isUint8Array } from '../../src/realm/kinds.ts';

const foreign = createContext();
const evaluate = (code: string): unknown => runInContext(code, foreign);

const pretender = { [Symbol.toStringTag]: 'Uint8Array', message: 'm', name: 1, stack: '' };
class OldError {}
Object.setPrototypeOf(OldError.prototype, Error.prototype);
const captured = new OldError();
Error.captureStackTrace(captured);

const rows: readonly [title: string, value: unknown, kind: string][] = [
  ['a Uint8Array', new Uint8Array(1), 'octets'],
  ['a Buffer', Buffer.alloc(1), 'octets'],
  ['an object of a subclass of Uint8Array', new (class extends Uint8Array {})(1), 'octets'],
  ['a Uint8Array of another realm', evaluate('new Uint8Array(1)'), 'octets'],
  ['a Uint8ClampedArray', new Uint8ClampedArray(1), 'none'],
  ['a Uint16Array of another realm', evaluate('new Uint16Array(1)'), 'none'],
  ['a DataView', new DataView(new ArrayBuffer(1)), 'none'],
  ['an ArrayBuffer', new ArrayBuffer(1), 'buffer'],
  ['an ArrayBuffer of another realm', evaluate('new ArrayBuffer(1)'), 'buffer'],
  ['a SharedArrayBuffer', new SharedArrayBuffer(1), 'none'],
  ['an Error', new Error('e'), 'error'],
  ['a RangeError of another realm', evaluate('new RangeError("e")'), 'error'],
  ['an error without a stack', Object.assign(new Error('e'), { stack: undefined }), 'error'],
  ['a DOMException', new DOMException('aborted', 'AbortError'), 'error'],
  ['an error of a class that does not call the constructor of Error', captured, 'error'],
  ['an object with another tag', pretender, 'none'],
  ['an object whose getters throw', evaluate('({ get name() { throw 1; } })'), 'none'],
  ['a text', 'Error: e', 'none'],
  ['null', null, 'none'],
  ['undefined', undefined, 'none'],
];

test.each(rows)('%s', (_title, value, kind) => {
  expect([isUint8Array(value), isArrayBuffer(value), isError(value)]).toEqual([
    kind === 'octets',
    kind === 'buffer',
    kind === 'error',
  ]);
});

describe('any value', () => {
  test('is of one kind at most, and asking throws nothing', () => {
    fc.assert(
      fc.property(fc.anything({ withTypedArray: true, withNullPrototype: true }), (value) => {
        const kinds = [isUint8Array(value), isArrayBuffer(value), isError(value)].filter(Boolean);
        expect(kinds.length).toBeLessThanOrEqual(1);
        expect(isUint8Array(value)).toBe(value instanceof Uint8Array);
      }),
    );
  });
});
