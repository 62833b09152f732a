/** A good client: sends a message of five octets, waits for its echo, and sends the next 1 ms later. Settings: `port`. */
import { connect } from 'node:net';
import { answer, settings } from '../control.js';
import { request } from '../wire.js';

const { port } = /** @type {{ port: number }} */ (settings());
/** `hello` with a masking key of zeros, and the length of its echo. */
const message = Buffer.concat([Buffer.from('818500000000', 'hex'), Buffer.from('hello')]);
const echoLength = 7;
/** Maximum milliseconds that one echo is waited for. It then counts as that long. */
const patience = 10_000;

const socket = connect({ host: '127.0.0.1', port, noDelay: true });
let received = 0;
let awaited = Number.POSITIVE_INFINITY;
let arrived = () => {};
let head = '';
/** @type {Promise<void>} */
const opened = new Promise((resolve, reject) => {
  socket.on('error', reject);
  socket.on('data', (chunk) => {
    if (!head.endsWith('\r\n\r\n')) {
      head += chunk.toString('latin1');
      if (head.endsWith('\r\n\r\n')) resolve();
      return;
    }
    received += chunk.length;
    if (received >= awaited) arrived();
  });
});
socket.write(request);
await opened;

/** @returns {Promise<number>} milliseconds from the message to its echo */
function ask() {
  return new Promise((resolve) => {
    const start = performance.now();
    const late = setTimeout(() => arrived(), patience);
    awaited = received + echoLength;
    arrived = () => {
      clearTimeout(late);
      arrived = () => {};
      resolve(performance.now() - start);
    };
    socket.write(message);
  });
}

answer({
  /** @param {{ seconds: number }} bounds */
  async run({ seconds }) {
    /** @type {number[]} */
    const times = [];
    const end = performance.now() + seconds * 1e3;
    while (performance.now() < end) {
      times.push(await ask());
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return times;
  },
});
