/** The load of the memory row: opens `connections` connections, shakes hands on each, and holds them until it ends. */
import { connect } from 'node:net';
import { answer, settings } from '../control.js';
import { request } from '../wire.js';

const { port, connections } = /** @type {{ port: number, connections: number }} */ (settings());
const landing = Buffer.alloc(4096);
/** Handshakes under way at a time: within any listen backlog. */
const AT_A_TIME = 64;

/** @returns {Promise<void>} */
function openOne() {
  return new Promise((resolve, reject) => {
    let head = '';
    const socket = connect({
      host: '127.0.0.1',
      port,
      onread: {
        buffer: landing,
        callback(length) {
          head += landing.toString('latin1', 0, length);
          if (head.endsWith('\r\n\r\n')) head.startsWith('HTTP/1.1 101 ') ? resolve() : reject(new Error(head));
          return true;
        },
      },
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the server closed a connection')));
    socket.write(request);
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
