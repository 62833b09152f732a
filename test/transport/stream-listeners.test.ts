import { once } from 'node:events';
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { listenTo, listenToFinish, type StreamOwner, stopListeningTo } from '../../src/transport/stream-listeners.ts';

const nothing = Buffer.alloc(0);
const events = ['data', 'drain', 'end', 'finish', 'error', 'close'] as const;

/** An owner that logs what it receives. */
function owner(): StreamOwner & { readonly log: string[] } {
  const log: string[] = [];
  return {
    log,
    receive: (chunk) => log.push(`data ${chunk}`),
    receiveGuarded: (chunk) => log.push(`guarded data ${chunk}`),
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
