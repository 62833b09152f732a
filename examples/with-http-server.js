// WebSockets on an existing HTTP server with other routes: one port, two paths, two WebSocketServers.
//   node examples/with-http-server.js       (PORT=9000 for another port, PORT=0 for any)
import { createServer } from 'node:http';
import { WebSocketServer } from 'goodwire';

const http = createServer((request, response) => {
  if (request.url === '/health') return response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n');
  response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n');
});

// Each server accepts the upgrades for its own path. Upgrades for other paths are refused.
const echo = new WebSocketServer({ server: http, path: '/echo' });
const chat = new WebSocketServer({ server: http, path: '/chat' });

echo.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});

// In the chat every client receives every message, including its own.
chat.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => {
    for (const client of chat.clients) client.send(data, { binary: isBinary });
  });
});

http.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${http.address().port}`);
});
