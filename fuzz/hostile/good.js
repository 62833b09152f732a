// A correct client in a separate process. It sends requests and waits for the replies until it is told to stop, and
// then reports its measurements.
import { once } from 'node:events';
import { WebSocket } from '../../dist/index.js';

const socket = new WebSocket(`ws://127.0.0.1:${process.argv[2]}/`);
let [trips, maxOctets, maxConnections, before] = [0, 0, 0, -1];
let goesOn = true;
process.on('message', () => {
  goesOn = false;
});
process.on('disconnect', () => process.exit());
await once(socket, 'open');
process.send?.({ port: 0 });

socket.on('message', (data) => {
  const [octets, connections] = String(data).split(' ').map(Number);
  if (before >= 0) maxOctets = Math.max(maxOctets, octets - before);
  maxConnections = Math.max(maxConnections, connections);
  before = octets;
  trips++;
  if (goesOn) socket.send('report');
  else socket.close();
});
socket.on('close', (code) => {
  process.send?.({ trips, maxOctets, maxConnections, code });
});
socket.send('report');
