// Echo server for a fuzzing client.
//   node autobahn/peers/echo-server.js [goodwire | ws | faye-websocket | websocket]
//   (HOST and PORT: address, default 127.0.0.1:9002; PORT=0 for any port)
import { createServer } from 'node:http';
import { loadPeer } from './peer.js';

const [name = 'goodwire'] = process.argv.slice(2);
const host = process.env.HOST ?? '127.0.0.1';
const peer = await loadPeer(name);
const server = createServer((_request, response) => response.writeHead(426).end());
peer.serve(server);

server.listen(Number(process.env.PORT ?? 9002), host, () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') console.log(`ws://${host}:${address.port}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(0));
