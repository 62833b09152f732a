// What must not compile.
import WebSocket, { WebSocketServer } from 'ws';

const socket = new WebSocket('ws://127.0.0.1');
const server = new WebSocketServer({ port: 0 });

// @ts-expect-error an address is text or a URL
new WebSocket(8080);
// @ts-expect-error subprotocols are text
new WebSocket('ws://127.0.0.1', [13]);
// @ts-expect-error a limit is a number
new WebSocket('ws://127.0.0.1', { maxPayload: '1 MiB' });
// @ts-expect-error a port is a number
new WebSocketServer({ port: '8080' });
// @ts-expect-error handleProtocols chooses a string, or false
new WebSocketServer({ port: 0, handleProtocols: () => true });
// @ts-expect-error an own socket class extends WebSocket
new WebSocketServer({ port: 0, WebSocket: Date });

// @ts-expect-error there is nothing to send
socket.send();
// @ts-expect-error the options of send are an object
socket.send('text', true);
// @ts-expect-error binary is a boolean
socket.send('text', { binary: 'no' });
// @ts-expect-error a close code is a number
socket.close('1000');
// @ts-expect-error the state is read-only
socket.readyState = WebSocket.OPEN;
// @ts-expect-error a kind of binary data that there is not
socket.binaryType = 'text';
// @ts-expect-error the constants are read-only
WebSocket.OPEN = 2;
// @ts-expect-error only open, message, close and error are WHATWG events
socket.addEventListener('ping', () => undefined);
// @ts-expect-error a close event has no data
socket.addEventListener('close', (event) => event.data);
// @ts-expect-error a message event has no code
socket.onmessage = (event) => event.code;
// @ts-expect-error handleUpgrade needs what to do next
server.handleUpgrade();
// @ts-expect-error text frames arrive as a Buffer too, so data has to be turned into text
socket.on('message', (data) => data.toUpperCase());
