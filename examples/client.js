// A client that connects, sends text and binary data, prints the replies, and closes.
//   node examples/client.js [ws://127.0.0.1:8080]
import { WebSocket } from 'goodwire';

const socket = new WebSocket(process.argv[2] ?? 'ws://127.0.0.1:8080');

socket.on('open', () => {
  console.log(`open: ${socket.url}`);
  socket.send('Hello');
  socket.send(Uint8Array.of(0x48, 0x65, 0x6c, 0x6c, 0x6f));
});

// Text arrives as a Buffer too, already checked to be UTF-8. isBinary tells the two apart.
socket.on('message', (data, isBinary) => {
  console.log(isBinary ? `binary: ${data.toString('hex')}` : `text: ${data}`);
  if (isBinary) socket.close(1000, 'all said');
});

socket.on('close', (code, reason) => console.log(`closed: ${code} ${reason}`));

// Emitted for a refused connection or handshake; 'close' follows.
socket.on('error', (error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
});
