// The echo server that a fuzzing client is let loose on: goodwire with its default options, and permessage-deflate switched on, which
// a server does not offer by default. No limit is raised.
//   node autobahn/docker/echo-server.js            (HOST and PORT for another address, PORT=0 for any port)
import { WebSocketServer } from 'goodwire';

const host = process.env.HOST ?? '127.0.0.1';
const server = new WebSocketServer({ host, port: Number(process.env.PORT ?? 9002), perMessageDeflate: true });

server.on('connection', (socket) => {
  // What the fuzzing client breaks, it breaks on purpose: the close frame says so to it, and nobody else has to hear.
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});

server.on('listening', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') console.log(`ws://${host}:${address.port}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(0));
