import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { UnaskedConnections } from '../../src/server/unasked-connections.ts';

/** Returns the connections of a server with this limit, and a function that opens one. */
function limitedTo(limit: () => number) {
  const server = new EventEmitter();
  const unasked = new UnaskedConnections(server as Server, limit);
  const open = () => {
    const socket = new PassThrough();
    server.emit('connection', socket);
    return socket;
  };
  return { unasked, open };
}

it('destroys the connection that has waited longest if there are too many', () => {
  const { unasked, open } = limitedTo(() => 2);
  const sockets = [open(), open(), open(), open()];
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true, false, false]);
  expect(unasked.size).toBe(2);
});

it('does not count a connection whose request has arrived, and never destroys it', () => {
  const { unasked, open } = limitedTo(() => 1);
  const asked = open();
  unasked.delete(asked);
  expect([unasked.size, asked.listenerCount('close')]).toEqual([0, new PassThrough().listenerCount('close')]);
  const [first, second] = [open(), open()];
  expect([asked.destroyed, first.destroyed, second.destroyed]).toEqual([false, true, false]);
});

it('does not count a connection that has closed', () => {
  const { unasked, open } = limitedTo(() => 1);
  open().emit('close');
  expect(unasked.size).toBe(0);
  expect(open().destroyed).toBe(false);
});

it('asks for the limit at each connection; 0 is unlimited', () => {
  let limit = 0;
  const { unasked, open } = limitedTo(() => limit);
  const sockets = Array.from({ length: 50 }, open);
  expect(unasked.size).toBe(50);
  expect(sockets.some(({ destroyed }) => destroyed)).toBe(false);
  limit = 50;
  open();
  expect(sockets.map(({ destroyed }) => destroyed).indexOf(false)).toBe(1);
});

it('ignores a connection that it does not have', () => {
  const { unasked, open } = limitedTo(() => 0);
  open();
  unasked.delete(new PassThrough());
  expect(unasked.size).toBe(1);
});
