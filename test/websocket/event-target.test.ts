import { expect, test } from 'vitest';
import { implementations } from '../support/peers.ts';

// biome-ignore lint/suspicious/noExplicitAny: what programs pass, whatever its type
type Anything = any;

test('a listener that is null or undefined is none, as in a browser', () => {
  const socket = new implementations.goodwire.WebSocket(null);
  for (const none of [null, undefined] as Anything[]) {
    socket.addEventListener('message', none);
    socket.removeEventListener('message', none);
  }
  expect(socket.eventNames()).toEqual([]);
});
