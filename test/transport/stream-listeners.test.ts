import { once } from 'node:events';
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import {
  expectClose,
  listenTo,
  listenToFinish,
  type StreamOwner,
  stopListeningTo,
} from '../../src/transport/stream-listeners.ts';
import { eventually } from '../support/until.ts';

const nothing = Buffer.alloc(0);
const events = ['data', 'drain', 'end', 'finish', 'error', 'close'] as const;

/** An owner that logs what it receives. */
function owner(): StreamOwner & { readonly log: string[] } {
  const log: string[] = [];
  return {
    log,
    receive: (chunk) => log.push(`data ${chunk}`),
    receiveGuarded: (chunk) => log.push(`guarded data ${chunk}`),
    receiveInvalid: (chunk) => log.push(`invalid data ${typeof chunk}`),
    drained: () => log.push('drain'),
    streamEnded: () => log.push('end'),
    streamFinished: () => log.push('finish'),
    streamFailed: ({ message }) => log.push(`error ${message}`),
    streamClosed: () => log.push('close'),
  };
}

const quiet = (): Duplex => new Duplex({ read() {}, write() {}, autoDestroy: false });

describe('the owner of a stream', () => {
  test('receives each event, and none after the close', () => {
    const stream = quiet();
    const its = owner();
    listenTo(stream, nothing, its);
    listenToFinish(stream);
    for (const event of events) stream.emit(event, event === 'error' ? new Error('reset') : Buffer.from('octets'));
    const expected = ['guarded data octets', 'drain', 'end', 'finish', 'error reset', 'close'];
    expect(its.log).toEqual(expected);
    for (const event of events) stream.emit(event, new Error('late'));
    expect(its.log).toEqual(expected);
  });

  test('receives what came before as the first data, on a later tick', async () => {
    const stream = quiet();
    const its = owner();
    stream.resume();
    listenTo(stream, Buffer.from('head'), its);
    expect(its.log).toEqual([]);
    stream.push('octets');
    await once(stream, 'data');
    expect(its.log.join(' ')).toMatch(/^guarded data head/);
  });

  test('gets the data of a socket unguarded: nobody calls a socket that emits it', () => {
    const stream = new Socket();
    const its = owner();
    listenTo(stream, nothing, its);
    stream.emit('data', Buffer.from('octets'));
    expect(its.log).toEqual(['data octets']);
    stream.destroy();
  });

  test.each([
    ['a socket', () => new Socket(), ['text']],
    ['another stream', quiet, ['text', 1, null, { length: 3 }, [1, 2]]],
  ])('is told of data of %s that is not octets', (_, create, chunks) => {
    const stream = create();
    const its = owner();
    listenTo(stream, nothing, its);
    for (const chunk of chunks) stream.emit('data', chunk);
    expect(its.log).toEqual(chunks.map((chunk) => `invalid data ${typeof chunk}`));
    stream.destroy();
  });

  test.each(['close', 'end'])('is told of the %s that came before', async (event) => {
    const stream = quiet();
    if (event === 'close') stream.destroy();
    else stream.push(null);
    stream.resume();
    await once(stream, event);
    const its = owner();
    listenTo(stream, nothing, its);
    expect(its.log).toEqual([]);
    await new Promise(process.nextTick);
    expect(its.log).toEqual([event]);
  });
});

test('the listeners are removed, except the one for errors, which may come late', () => {
  const stream = quiet();
  const before = events.map((event) => stream.listenerCount(event));
  listenTo(stream, nothing, owner());
  listenToFinish(stream);
  stopListeningTo(stream);
  const after = events.map((event, i) => stream.listenerCount(event) - before[i]!);
  expect(after).toEqual([0, 0, 0, 0, 1, 0]);
});

describe('a destroyed stream that is expected to close', () => {
  test('closes for its owner after the timeout if it does not, and once', async () => {
    const stream = new Duplex({ read() {}, destroy() {} });
    const its = owner();
    listenTo(stream, nothing, its);
    stream.destroy();
    expectClose(stream, 1);
    await eventually(() => expect(its.log).toEqual(['close']));
    stream.emit('close');
    expect(its.log).toEqual(['close']);
  });

  test('closes as soon as it can, and no timer is left', async () => {
    for (const stream of [new Socket(), new Duplex({ read() {} })]) {
      const its = owner();
      listenTo(stream, nothing, its);
      stream.destroy();
      const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
      expectClose(stream, 1_000_000);
      await once(stream, 'close');
      expect(its.log).toEqual(['close']);
      expect(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length).toBeLessThanOrEqual(before);
      expectClose(stream, 1_000_000);
    }
  });
});
