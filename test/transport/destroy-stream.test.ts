import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { destroyStream, forceDestroy, isDestroyed } from '../../src/transport/destroy-stream.ts';

/** A stream with a `destroy()` of its own. */
const streamWith = (destroy: () => never | Duplex): Duplex =>
  Object.defineProperty(new Duplex({ read() {}, write() {} }), 'destroy', { value: destroy });

const throwing = (): Duplex =>
  streamWith(() => {
    throw new Error('destroy');
  });

describe.each([destroyStream, forceDestroy])('%o', (destroy) => {
  test.each([
    ['a stream', () => new Duplex({ read() {} })],
    ['a stream whose destroy() throws', throwing],
  ])('destroys %s', (_name, create) => {
    const stream = create();
    destroy(stream);
    expect(stream.destroyed).toBe(true);
  });

  test('throws nothing for an object that is no stream of node:stream', () => {
    const object = {
      destroy() {
        throw new Error('destroy');
      },
    };
    expect(() => destroy(object as unknown as Duplex)).not.toThrow();
  });
});

test('a destroy() without effect is replaced by force only', () => {
  const stream: Duplex = streamWith(() => stream);
  destroyStream(stream);
  expect(isDestroyed(stream)).toBe(false);
  forceDestroy(stream);
  expect(isDestroyed(stream)).toBe(true);
});

test('a stream whose property throws counts as not destroyed', () => {
  const stream = Object.defineProperty(new Duplex(), 'destroyed', {
    get() {
      throw new Error('destroyed');
    },
  });
  expect(isDestroyed(stream)).toBe(false);
});
