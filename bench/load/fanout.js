/**
 * Load of the fan-out rows: publishers and subscribers in one process. Each publisher sends `depth` items in one write,
 * and the next ones after all subscribers have received all of them. Received items are not parsed, because their
 * length is known: bytes are counted.
 */
import { connect } from 'node:net';
import { answer, cpuMicroseconds, settings } from '../control.js';
import { frames, text } from '../wire.js';

const { port, size, subscribers, publishers, depth, variants, isRooms } =
  /** @type {import('../measure/fanout.js').FanoutRow & { port: number, isRooms: boolean }} */ (settings());
const landing = Buffer.alloc(1 << 20);
const burst = frames({ size, content: 'ascii' }, { count: depth, masked: true });

let total = 0;
let expected = Infinity;
/** @type {() => void} */
let arrived = () => {};
/** Number of items published since the server started: the offset of the last one. */
let published = 0;

/**
 * @param {string} path
 * @param {(length: number) => void} onOctets called for data behind the handshake
 * @returns {Promise<import('node:net').Socket>}
 */
function open(path, onOctets) {
  return new Promise((resolve, reject) => {
    let head = '';
    let isOpen = false;
    const socket = connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      onread: {
        buffer: landing,
        callback: (length) => {
          if (isOpen) {
            onOctets(length);
            return true;
          }
          head += landing.toString('latin1', 0, length);
          const end = head.indexOf('\r\n\r\n') + 4;
          if (end > 3) {
            isOpen = true;
            if (!head.startsWith('HTTP/1.1 101 ')) reject(new Error(head));
            onOctets(head.length - end);
            resolve(socket);
          }
          return true;
        },
      },
    });
    const lines = [
      `GET ${path} HTTP/1.1`,
      'Host: 127.0.0.1',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Protocol: goods.v1',
      '\r\n',
    ];
    socket.write(lines.join('\r\n'));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the server closed a connection')));
  });
}

const count = (/** @type {number} */ length) => {
  total += length;
  if (total >= expected) arrived();
};

for (let i = 0; i < subscribers; i++) {
  const variant = i % variants;
  if (isRooms) {
    const socket = await open(`/socket.io/?EIO=4&transport=websocket&variant=${variant}`, count);
    socket.write(text('40'));
    continue;
  }
  const socket = await open(`/subscriber?${variant}`, count);
  const params = variants === 1 ? {} : { params: String(variant) };
  socket.write(text(JSON.stringify({ op: 'subscribe', id: 1, goods: 'n', last: 0, ...params })));
}
/** @type {import('node:net').Socket[]} */
const writers = [];
for (let i = 0; i < publishers; i++) writers.push(await open('/publisher', () => {}));

answer({
  /** Waits until no more data arrives from opening the connections. */
  async settle() {
    for (let before = -1; before !== total; ) {
      before = total;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  },
  /**
   * @param {{ seconds: number, length: number, hasOffset: boolean }} bounds `length` of a frame without the digits of
   *   the offset
   */
  async run({ seconds, length, hasOffset }) {
    const start = process.hrtime.bigint();
    const cpu = cpuMicroseconds();
    const end = performance.now() + seconds * 1e3;
    let deliveries = 0;
    while (performance.now() < end) {
      let octets = 0;
      for (let i = 0; i < publishers * depth; i++) {
        published++;
        octets += length + (hasOffset ? String(published).length : 0);
      }
      deliveries += publishers * depth * subscribers;
      total = 0;
      expected = octets * subscribers;
      await /** @type {Promise<void>} */ (
        new Promise((resolve, reject) => {
          const stalled = setTimeout(() => reject(new Error(`${expected - total} bytes are missing`)), 20_000);
          arrived = () => {
            clearTimeout(stalled);
            resolve();
          };
          for (const socket of writers) socket.write(burst);
        })
      );
      if (total > expected) throw new Error(`${total} bytes were received; expected ${expected}`);
    }
    const elapsed = Number(process.hrtime.bigint() - start) / 1e9;
    return { deliveries, seconds: elapsed, cpu: cpuMicroseconds() - cpu };
  },
});
