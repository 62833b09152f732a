/**
 * Floor: `node:net` that receives and sends as many bytes as a WebSocket server for the same load, with one write per
 * chunk, and inspects none of them. The lengths are known in advance, so bytes are only counted. Settings:
 * `frameLength` (of a masked frame), `requestLength`, `closes` (true if a close frame follows each message).
 */
import { createServer } from 'node:net';
import { answer, settings, settledMemory } from '../control.js';
import { acceptance, closeFrame, MASK_LENGTH } from '../wire.js';

const { frameLength, requestLength, closes } =
  /** @type {{ frameLength: number, requestLength: number, closes: boolean }} */ (settings());
const response = Buffer.from(acceptance('dGhlIHNhbXBsZSBub25jZQ=='));

/**
 * Counts the missing bytes of the request, of the current message, and of the close frame. `surplus` is the number of
 * bytes written too many, because a message ended in a chunk shorter than a masking key.
 */
class Connection {
  /** @param {import('node:net').Socket} socket */
  constructor(socket) {
    this.socket = socket;
    this.request = requestLength;
    this.message = frameLength;
    this.surplus = 0;
    this.closing = false;
    socket.on('data', (chunk) => this.take(chunk));
    socket.on('error', () => {});
  }

  /** @param {Buffer} chunk */
  take(chunk) {
    if (this.request > 0) {
      this.request -= chunk.length;
      if (this.request === 0) this.socket.write(response);
      return;
    }
    let { length } = chunk;
    if (this.closing) {
      this.message -= length;
      if (this.message === 0) this.socket.end(chunk.subarray(0, closeFrame.length - MASK_LENGTH));
      return;
    }
    if (length >= this.message) {
      const over = length - this.message;
      const messages = 1 + Math.floor(over / frameLength);
      this.message = frameLength - (over % frameLength);
      this.surplus += messages * MASK_LENGTH;
      length -= this.surplus;
      this.surplus = length < 0 ? -length : 0;
      if (closes) {
        this.closing = true;
        this.message = closeFrame.length;
      }
    } else {
      this.message -= length;
    }
    if (length === chunk.length) this.socket.write(chunk);
    else if (length > 0) this.socket.write(chunk.subarray(0, length));
  }
}

let connections = 0;
const server = createServer({ noDelay: true }, (socket) => {
  connections++;
  socket.on('close', () => connections--);
  new Connection(socket);
});
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  answer({
    port: () => /** @type {import('node:net').AddressInfo} */ (server.address()).port,
    connections: () => connections,
    memory: settledMemory,
    native: () => false,
  });
});
