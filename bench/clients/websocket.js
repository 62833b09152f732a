/**
 * Client application to be measured, with the same code for goodwire and for ws. Settings: `library`, `port`,
 * `message`, `batch` (number of messages sent before waiting until the kernel has taken them).
 */
import { createRequire } from 'node:module';
import { answer, cpuMicroseconds, settings } from '../control.js';
import { payload } from '../wire.js';

/** @typedef {{ library: string, port: number, message: import('../wire.js').MessageShape, batch: number }} ClientRow */

const { library, port, message, batch } = /** @type {ClientRow} */ (settings());
const { WebSocket } = await import(library);
const data = message.content === 'binary' ? payload(message) : payload(message).toString();

const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
let received = 0;
let awaited = Infinity;
let arrived = () => {};
socket.on('message', () => {
  if (++received >= awaited) arrived();
});

socket.on('open', () => {
  answer({
    native: () => Object.keys(createRequire(import.meta.url).cache).some((path) => /[\\/]bufferutil[\\/]/.test(path)),
    /** @param {{ messages: number }} what */
    async receive({ messages }) {
      awaited = messages;
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
          for (let i = 1; i < batch; i++) socket.send(data);
          socket.send(data, taken);
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
