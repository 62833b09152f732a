/**
 * Peer of the client rows: a server on `node:net` that answers the handshake and then either sends prebuilt frames, or
 * counts received bytes.
 */
import { createServer } from 'node:net';
import { answer, cpuMicroseconds, settings } from '../control.js';
import { acceptance, frameLength, frames } from '../wire.js';

const { message } = /** @type {{ message: import('../wire.js').MessageShape }} */ (settings());
const perBlock = Math.max(1, Math.floor(65536 / frameLength(message)));
const block = frames(message, { count: perBlock, masked: false });

/** @type {import('node:net').Socket | undefined} */
let client;
let received = 0;
let awaited = Infinity;
/** @type {() => void} */
let arrived = () => {};

const server = createServer({ noDelay: true }, (socket) => {
  let head = '';
  client = socket;
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    if (head.endsWith('\r\n\r\n')) {
      received += chunk.length;
      if (received >= awaited) arrived();
      return;
    }
    head += chunk.toString('latin1');
    const key = /sec-websocket-key: *([^\r]+)\r\n/i.exec(head)?.[1];
    if (head.endsWith('\r\n\r\n')) socket.write(acceptance(String(key)));
  });
});

server.listen({ host: '127.0.0.1', port: 0 }, () => {
  answer({
    port: () => /** @type {import('node:net').AddressInfo} */ (server.address()).port,
    /**
     * Sends as fast as the client reads.
     * @param {{ seconds: number }} bounds
     * @returns {Promise<{ messages: number, cpu: number }>}
     */
    pour({ seconds }) {
      const socket = /** @type {import('node:net').Socket} */ (client);
      const end = performance.now() + seconds * 1e3;
      const cpu = cpuMicroseconds();
      return new Promise((resolve) => {
        let messages = 0;
        const some = () => {
          // Four blocks per check, so that the clock and the event loop cost only once per 256 KiB.
          for (let i = 0; i < 4; i++) {
            messages += perBlock;
            if (!socket.write(block)) break;
          }
          if (performance.now() >= end) resolve({ messages, cpu: cpuMicroseconds() - cpu });
          else if (socket.writableNeedDrain) socket.once('drain', some);
          else setImmediate(some);
        };
        some();
      });
    },
    /**
     * Waits until this number of bytes has arrived since the last call.
     * @param {{ octets: number }} what
     */
    async drain({ octets }) {
      awaited = octets;
      if (received < awaited) {
        await /** @type {Promise<void>} */ (
          new Promise((resolve) => {
            arrived = resolve;
          })
        );
      }
      if (received > octets) throw new Error(`${received} bytes were received; expected ${octets}`);
      received = 0;
      awaited = Infinity;
    },
  });
});
