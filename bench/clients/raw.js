/**
 * Floor of the client rows: `node:net` that counts bytes, or writes frames that were masked in advance, one batch per
 * write.
 */
import { connect } from 'node:net';
import { answer, cpuMicroseconds, settings } from '../control.js';
import { frameLength, frames, request } from '../wire.js';

const { port, message, batch } = /** @type {import('./websocket.js').ClientRow} */ (settings());
const block = frames(message, { count: batch, masked: true });
const one = frameLength(message);

const socket = connect({ host: '127.0.0.1', port, noDelay: true });
let received = 0;
let awaited = Infinity;
let arrived = () => {};

socket.write(request);
socket.once('data', () => {
  socket.on('data', (chunk) => {
    received += chunk.length;
    if (received >= awaited) arrived();
  });
  answer({
    native: () => false,
    /** @param {{ messages: number }} what */
    async receive({ messages }) {
      awaited = messages * one;
      if (received < awaited) {
        await new Promise((resolve) => {
          arrived = () => resolve(undefined);
        });
      }
      received = 0;
      awaited = Infinity;
      return { cpu: cpuMicroseconds() };
    },
    /** @param {{ seconds: number }} bounds */
    async send({ seconds }) {
      const start = performance.now();
      const cpu = cpuMicroseconds();
      let messages = 0;
      await new Promise((resolve) => {
        const some = () => {
          socket.write(block, taken);
          messages += batch;
        };
        const taken = () => {
          if (performance.now() - start < seconds * 1e3) setImmediate(some);
          else resolve(undefined);
        };
        some();
      });
      return { messages, seconds: (performance.now() - start) / 1e3, cpu: cpuMicroseconds() - cpu };
    },
  });
});
