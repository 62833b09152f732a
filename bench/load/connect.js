/**
 * Load of the connection row: `slots` slots open connections one after the other. Each connection performs the
 * handshake, has one message echoed, and closes. The next one starts when the server has closed TCP (RFC 6455 §7.1.1).
 */
import { connect } from 'node:net';
import { answer, cpuMicroseconds, settings } from '../control.js';
import { closeFrame, frameLength, frames, MASK_LENGTH, request } from '../wire.js';

/** @typedef {{ port: number, slots: number, message: import('../wire.js').MessageShape }} ConnectLoad */

const { port, slots, message } = /** @type {ConnectLoad} */ (settings());
const frame = frames(message, { count: 1, masked: true });
const replyLength = frameLength(message);
const closeReplyLength = closeFrame.length - MASK_LENGTH;
/** Buffer for the response to the handshake, and for all later reads. */
const landing = Buffer.alloc(4096);

let running = false;
let open = 0;
let completed = 0;
/** @type {(error?: Error) => void} */
let drained = () => {};

function next() {
  if (!running) {
    if (--open === 0) drained();
    return;
  }
  let stage = 0;
  let missing = replyLength;
  let head = '';
  const socket = connect({
    host: '127.0.0.1',
    port,
    noDelay: true,
    onread: {
      buffer: landing,
      callback(length) {
        if (stage === 0) {
          head += landing.toString('latin1', 0, length);
          if (!head.endsWith('\r\n\r\n')) return true;
          if (!head.startsWith('HTTP/1.1 101 ')) drained(new Error(head));
          stage = 1;
          socket.write(frame);
          return true;
        }
        missing -= length;
        if (missing < 0) drained(new Error('more bytes were received than expected'));
        if (missing === 0 && stage === 1) {
          stage = 2;
          missing = closeReplyLength;
          socket.write(closeFrame);
        }
        return true;
      },
    },
  });
  socket.write(request);
  socket.on('error', drained);
  socket.on('close', () => {
    if (stage !== 2 || missing !== 0) drained(new Error('the server closed a connection too early'));
    completed++;
    next();
  });
}

answer({
  /** @param {{ seconds: number }} bounds */
  async run({ seconds }) {
    completed = 0;
    running = true;
    open = slots;
    const start = process.hrtime.bigint();
    const cpu = cpuMicroseconds();
    await /** @type {Promise<void>} */ (
      new Promise((resolve, reject) => {
        const stalled = setTimeout(() => drained(new Error('the server does not close')), seconds * 1e3 + 20_000);
        const over = setTimeout(() => {
          running = false;
        }, seconds * 1e3);
        drained = (error) => {
          drained = () => {};
          running = false;
          clearTimeout(stalled);
          clearTimeout(over);
          if (error) reject(error);
          else resolve();
        };
        for (let i = 0; i < slots; i++) next();
      })
    );
    const elapsed = Number(process.hrtime.bigint() - start) / 1e9;
    return { messages: completed, seconds: elapsed, cpu: cpuMicroseconds() - cpu };
  },
});
