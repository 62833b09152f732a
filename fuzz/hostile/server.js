// A server as in an application, in a separate process that reports its remaining resources. Run with --expose-gc and
// an IPC channel.
import { WebSocketServer } from '../../dist/index.js';
import { left } from './left.js';

const counts = { opened: 0, closed: 0, closedAgain: 0, afterClose: 0, refusedAsSlow: 0 };
/** @type {Set<import('node:net').Socket>} */
const sockets = new Set();
/** Number of bytes read from closed connections. */
let octetsBefore = 0;

const server = new WebSocketServer({
  port: 0,
  host: '127.0.0.1',
  maxPayload: 1_048_576,
  closeTimeout: 300,
  handshakeTimeout: 800,
  maxPendingHandshakes: 250,
  maxHeadersCount: 100,
  perMessageDeflate: true,
  ...JSON.parse(process.argv[2] ?? '{}'),
});

server.on('connection', (socket, request) => {
  counts.opened++;
  const raw = request.socket;
  sockets.add(raw);
  raw.once('close', () => {
    sockets.delete(raw);
    octetsBefore += raw.bytesRead;
  });
  let isClosed = false;
  const note = () => {
    if (isClosed) counts.afterClose++;
  };
  socket.on('message', (data, isBinary) => {
    note();
    if (!isBinary && String(data) === 'report') {
      let octets = octetsBefore;
      for (const one of sockets) octets += one.bytesRead;
      socket.send(`${octets} ${sockets.size}`);
      return;
    }
    if (!isBinary && String(data) === 'close') {
      socket.close(1000, 'as you like');
      return;
    }
    socket.send(data, { binary: isBinary });
    // The application must limit the data queued for a slow peer.
    if (socket.bufferedAmount > 4_194_304) {
      counts.refusedAsSlow++;
      socket.terminate();
    }
  });
  socket.on('ping', note);
  socket.on('pong', note);
  socket.on('error', note);
  socket.on('close', () => {
    if (isClosed) counts.closedAgain++;
    else counts.closed++;
    isClosed = true;
  });
});

server.on('listening', () => {
  process.send?.({ port: /** @type {import('node:net').AddressInfo} */ (server.address()).port });
});

process.on('message', async (message) => {
  if (message !== 'report') return;
  process.send?.({ ...counts, clients: server.clients.size, ...(await left()) });
});
