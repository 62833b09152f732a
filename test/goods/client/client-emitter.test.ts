import { expect, test } from 'vitest';
import { ClientEmitter } from '../../../src/goods/client/client-emitter.ts';
import { captureUncaught } from '../../support/uncaught.ts';

const thrower = (message: string) => () => {
  throw new Error(message);
};
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

test('listeners get the values of their event, in the order in which they were added, until they are removed', () => {
  const emitter = new ClientEmitter();
  const calls: string[] = [];
  const remove = emitter.on('state', (state) => calls.push(`first ${state}`));
  emitter.on('state', (state) => calls.push(`second ${state}`));
  emitter.on('error', () => calls.push('error'));
  emitter.emit('state', 'open');
  remove();
  emitter.emit('state', 'closed');
  expect(calls).toEqual(['first open', 'second open', 'second closed']);
});

test('an event without a listener is ignored', () => {
  new ClientEmitter().emit('error', new Error('mine'));
});

test('a listener that is added inside of another one is called from the next event on', () => {
  const emitter = new ClientEmitter();
  const calls: string[] = [];
  emitter.on('state', (state) => {
    calls.push(state);
    if (state === 'open') emitter.on('state', (again) => calls.push(`added ${again}`));
  });
  emitter.emit('state', 'open');
  emitter.emit('state', 'closed');
  expect(calls).toEqual(['open', 'closed', 'added closed']);
});

test('what a listener throws is an error event, and the others are called', () => {
  const emitter = new ClientEmitter();
  const calls: string[] = [];
  emitter.on('error', (error) => calls.push(String(error)));
  emitter.on('state', thrower('mine'));
  emitter.on('state', (state) => calls.push(state));
  emitter.emit('state', 'open');
  expect(calls).toEqual(['Error: mine', 'open']);
});

test('what a listener for errors throws is an uncaught exception, and no endless loop', async () => {
  using uncaught = captureUncaught();
  const emitter = new ClientEmitter();
  const calls: unknown[] = [];
  emitter.on('error', thrower('of the listener'));
  emitter.on('error', (error) => calls.push(error));
  emitter.report('reported');
  await settle();
  expect(calls).toEqual(['reported']);
  expect(uncaught.exceptions.map(String)).toEqual(['Error: of the listener']);
});

test('a reported error is an uncaught exception if there is no listener for errors, also if there was one', async () => {
  using uncaught = captureUncaught();
  const emitter = new ClientEmitter();
  emitter.on('error', () => {})();
  emitter.report(new Error('mine'));
  expect(uncaught.exceptions).toEqual([]);
  await settle();
  expect(uncaught.exceptions.map(String)).toEqual(['Error: mine']);
});
