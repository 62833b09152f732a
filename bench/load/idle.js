/**
 * Load of the memory rows: opens `connections` connections, performs the handshakes, and holds the connections. With
 * `context` each agrees on permessage-deflate, sends one message of 1 KiB, and waits for the reply.
 */
import { connect } from 'node:net';
import { answer, settings } from '../control.js';
import { compressedFrame, deflateAll, deflateRequest, FrameCounter, jsonText, request } from '../wire.js';

/** @typedef {{ port: number, connections: number, context?: import('../wire.js').Context }} IdleLoad */

const { port, connections, context } = /** @type {IdleLoad} */ (settings());
const landing = Buffer.alloc(65_536);
/** Maximum number of concurrent handshakes, below any listen backlog. */
const AT_A_TIME = 64;

const asks = context === undefined ? request : deflateRequest;
const [message] = context === undefined ? [] : await deflateAll([jsonText(1024, 1)], 'none');

/** @returns {Promise<void>} */
function openOne() {
  return new Promise((resolve, reject) => {
    let head = '';
    let isOpen = false;
    const counter = new FrameCounter();
    const socket = connect({
      host: '127.0.0.1',
      port,
      onread: {
        buffer: landing,
        callback(length) {
          if (isOpen) {
            if (counter.count(landing, length) > 0) resolve();
            return true;
          }
          head += landing.toString('latin1', 0, length);
          if (!head.endsWith('\r\n\r\n')) return true;
          isOpen = true;
          if (!head.startsWith('HTTP/1.1 101 ')) reject(new Error(head));
          else if (message === undefined) resolve();
          else socket.write(compressedFrame(message));
          return true;
        },
      },
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the server closed a connection')));
    socket.write(asks);
  });
}

let left = connections;
async function openMany() {
  while (left > 0) {
    left--;
    await openOne();
  }
}

answer({ open: () => Promise.all(Array.from({ length: AT_A_TIME }, openMany)) });
