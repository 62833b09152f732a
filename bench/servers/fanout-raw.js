/**
 * Floor of the fan-out rows: `node:net` that writes prebuilt frames, one write per read. Settings: `size`,
 * `subscribers`, `publishers`.
 */
import { createServer } from 'node:net';
import { answer, settings } from '../control.js';
import { acceptance, frameLength, frames, MASK_LENGTH } from '../wire.js';

const { size } = /** @type {{ size: number }} */ (settings());
const message = /** @type {const} */ ({ size, content: 'ascii' });
const length = frameLength(message);
const many = frames(message, { count: 64, masked: false });
const response = Buffer.from(acceptance('dGhlIHNhbXBsZSBub25jZQ=='));

/** @type {Set<import('node:net').Socket>} */
const subscribers = new Set();

const server = createServer({ noDelay: true }, (socket) => {
  let isOpen = false;
  let isPublisher = false;
  let octets = 0;
  socket.on('error', () => {});
  socket.on('close', () => subscribers.delete(socket));
  socket.on('data', (chunk) => {
    if (!isOpen) {
      isOpen = true;
      isPublisher = chunk.includes('/publisher');
      if (!isPublisher) subscribers.add(socket);
      socket.write(response);
      return;
    }
    if (!isPublisher) return;
    octets += chunk.length;
    const count = Math.floor(octets / (length + MASK_LENGTH));
    octets -= count * (length + MASK_LENGTH);
    const burst = many.subarray(0, count * length);
    if (count > 0) for (const subscriber of subscribers) subscriber.write(burst);
  });
});
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  answer({
    port: () => /** @type {import('node:net').AddressInfo} */ (server.address()).port,
    subscribers: () => subscribers.size,
    frame: () => ({ length, hasOffset: false }),
    native: () => false,
  });
});
