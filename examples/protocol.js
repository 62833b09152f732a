// The protocol without I/O: a client and a server that communicate over two arrays.
//   node examples/protocol.js
import { Connection } from 'goodwire/protocol';

// Chunks in transit to each end, in place of a socket.
const toServer = [];
const toClient = [];

// Callbacks of an end for received data. They are called inside receive(), in wire order.
const events = (name) => ({
  message: (data, isBinary) => console.log(`${name}: message ${isBinary ? data.toString('hex') : `"${data}"`}`),
  ping: (payload) => console.log(`${name}: ping "${payload}" (the pong is written already)`),
  pong: (payload) => console.log(`${name}: pong "${payload}"`),
  closeReceived: (code, reason) => console.log(`${name}: close ${code} "${reason}"`),
  failure: (error) => console.log(`${name}: ${error.code}, close code ${error.closeCode}. ${error.detail}`),
});

// The opening handshake is already complete: a Connection begins with the first frame. Clients mask with random keys.
// The fixed key makes each run print the same; omit it in programs.
const client = new Connection({ role: 'client', nextMaskingKey: () => 0x3d21fa37 }, events('client'));
const server = new Connection({ role: 'server', maxPayload: 1024 }, events('server'));

// Passes bytes to an end in two pieces, as a network may split them. The result is the same.
function give(end, octets) {
  const middle = octets.length >> 1;
  end.receive(octets.subarray(0, middle));
  end.receive(octets.subarray(middle));
}

// Moves bytes until both ends have sent everything.
function exchange() {
  while (client.outgoingLength + server.outgoingLength > 0) {
    if (client.outgoingLength > 0) toServer.push(client.takeOutgoing());
    if (server.outgoingLength > 0) toClient.push(server.takeOutgoing());
    for (const octets of toServer.splice(0)) {
      console.log(`→ ${octets.toString('hex')}`);
      give(server, octets);
    }
    for (const octets of toClient.splice(0)) {
      console.log(`← ${octets.toString('hex')}`);
      give(client, octets);
    }
  }
}

client.send('Hello');
client.ping(Buffer.from('there?'));
exchange();

// A message in two fragments, with a control frame between them.
server.send('Hel', false, false);
server.ping(Buffer.from('still there?'));
server.send('lo');
exchange();

// The closing handshake: our close frame, and its answer.
client.close(1000, 'all said');
console.log(`client is ${client.state}, server is ${server.state}`);
exchange();
console.log(`client is ${client.state}, server is ${server.state}`);

// A peer that breaks a rule: the connection is failed, and the close frame with the reason is ready to be sent.
const strict = new Connection({ role: 'server' }, events('strict'));
strict.receive(Buffer.from('810548656c6c6f', 'hex'));
console.log(`strict is ${strict.state} and answers ${strict.takeOutgoing().toString('hex')}`);
