// Clients as in an application, in a separate process that reports its remaining resources. Run with --expose-gc and an
// IPC channel.
import { WebSocket } from '../../dist/index.js';
import { left } from './left.js';

const counts = { opened: 0, closed: 0, closedAgain: 0, afterClose: 0, errors: 0, errorsAgain: 0, agreed: 0 };

/** @param {string} url */
function open(url) {
  counts.opened++;
  const socket = new WebSocket(url, ['chat'], {
    handshakeTimeout: 500,
    closeTimeout: 300,
    followRedirects: true,
    maxRedirects: 3,
    maxPayload: 1_048_576,
  });
  let isClosed = false;
  let hasFailed = false;
  const note = () => {
    if (isClosed) counts.afterClose++;
  };
  socket.on('open', () => {
    note();
    counts.agreed++;
    socket.send('Hello');
    socket.ping();
    setTimeout(() => socket.close(), 100);
  });
  for (const event of /** @type {const} */ (['message', 'ping', 'pong'])) socket.on(event, note);
  socket.on('error', () => {
    note();
    if (hasFailed) counts.errorsAgain++;
    else counts.errors++;
    hasFailed = true;
  });
  socket.on('close', () => {
    if (isClosed) counts.closedAgain++;
    else counts.closed++;
    isClosed = true;
  });
}

process.on('message', async (/** @type {{ open: string[] } | 'report'} */ message) => {
  if (message !== 'report') {
    message.open.forEach(open);
    return;
  }
  process.send?.({ ...counts, clients: counts.opened - counts.closed, ...(await left()) });
});
process.send?.({ port: 0 });
