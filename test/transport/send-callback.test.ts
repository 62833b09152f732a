import { AsyncLocalStorage } from 'node:async_hooks';
import { Duplex } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { WebSocket } from '../../src/index.ts';
import { callAll, closedWhile, notWritable, pendingSend } from '../../src/transport/send-callback.ts';
import { captureUncaught } from '../support/uncaught.ts';

test('each callback is called in the asynchronous context of its own send', () => {
  const context = new AsyncLocalStorage<string>();
  const log: unknown[] = [];
  const pending = ['one', 'two'].map((name) =>
    context.run(name, () => pendingSend((error) => log.push([context.getStore(), error?.message]))!),
  );
  context.run('flush', () => callAll(pending));
  context.run('flush', () => callAll(pending, new Error('lost')));
  expect(log).toEqual([
    ['one', undefined],
    ['two', undefined],
    ['one', 'lost'],
    ['two', 'lost'],
  ]);
});

test('a callback gets no argument on success', () => {
  const log: unknown[][] = [];
  callAll([pendingSend((...args) => log.push(args))!]);
  expect(log).toEqual([[]]);
});

test('a write that was pending when the stream failed is reported as failed, although Node gives its callback no error', async () => {
  let finish: (error?: Error | null) => void = () => {};
  const stream = new Duplex({
    read: () => {},
    write: (_chunk, _encoding, callback) => {
      finish = callback;
    },
  });
  const socket = new WebSocket(null);
  socket.setSocket(stream, Buffer.alloc(0));
  const told = new Promise((resolve) => socket.send('x', resolve));
  await immediate();
  stream.destroy(new Error('reset'));
  // As Node's sockets do: a stream that was destroyed gets no error from the kernel.
  finish(null);
  expect(await told).toMatchObject({ message: 'reset' });
});

test('a callback that throws does not keep the others from being called, and its error is uncaught', async () => {
  using uncaught = captureUncaught();
  const log: string[] = [];
  callAll([
    pendingSend(() => {
      throw new Error('thrown');
    })!,
    pendingSend(() => log.push('called'))!,
  ]);
  expect(log).toEqual(['called']);
  await immediate();
  expect(uncaught.exceptions.map(({ message }) => message)).toEqual(['thrown']);
});

test('without a callback there is nothing to call', () => {
  expect(pendingSend(undefined)).toBe(undefined);
});

test.each([
  [notWritable(), 'The connection was closed before the data was sent'],
  [closedWhile('data was being compressed'), 'The socket was closed while data was being compressed'],
])('the error for what was not sent has the code and the wording of ws: %s', (error, message) => {
  expect(error).toMatchObject({ message, code: 'ERR_STREAM_DESTROYED' });
});
