// An echo server: returns each message unchanged, text as text and binary as binary.
//   node examples/echo-server.js            (PORT=9000 for another port, PORT=0 for any)
import { WebSocketServer } from 'goodwire';

const server = new WebSocketServer({ host: '127.0.0.1', port: Number(process.env.PORT ?? 8080) });

server.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});

server.on('listening', () => console.log(`ws://127.0.0.1:${server.address().port}`));
