// A client that does nothing wrong, in a process of its own: it asks and waits for the answer, over and over, until it is told to stop, and
// tells how it fared.
import { once } from 'node:events';
import { WebSocket } from '../../dist/index.js';

const socket = new WebSocket(`ws://127.0.0.1:${process.argv[2]}/`);
let [trips, mostOctets, mostConnections, before] = [0, 0, 0, -1];
let goesOn = true;
process.on('message', () => {
  goesOn = false;
});
process.on('disconnect', () => process.exit());
await once(socket, 'open');
process.send?.({ port: 0 });

socket.on('message', (data) => {
  const [octets, connections] = String(data).split(' ').map(Number);
  if (before >= 0) mostOctets = Math.max(mostOctets, octets - before);
  mostConnections = Math.max(mostConnections, connections);
  before = octets;
  trips++;
  if (goesOn) socket.send('report');
  else socket.close();
});
socket.on('close', (code) => {
  process.send?.({ trips, mostOctets, mostConnections, code });
});
socket.send('report');
