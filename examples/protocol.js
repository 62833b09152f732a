// The protocol without I/O: a client and a server that talk over two arrays of octets.
//   node examples/protocol.js
import { Connection } from 'goodwire/protocol';

// What a socket would be: chunks on their way to each end.
const toServer = [];
const toClient = [];

// What an end has to say about what it receives. Each event comes inside receive(), in the order of the wire.
const events = (name) => ({
  message: (data, isBinary) => console.log(`${name}: message ${isBinary ? data.toString('hex') : `"${data}"`}`),
  ping: (payload) => console.log(`${name}: ping "${payload}" (the pong is written already)`),
  pong: (payload) => console.log(`${name}: pong "${payload}"`),
  closeReceived: (code, reason) => console.log(`${name}: close ${code} "${reason}"`),
  failure: (error) => console.log(`${name}: ${error.code}, close code ${error.closeCode}. ${error.detail}`),
});

// The opening handshake is done before: a Connection begins with the first frame.
// A client masks with strong random keys; the fixed one here makes each run print the same. Leave it out.
const client = new Connection({ role: 'client', nextMaskingKey: () => 0x3d21fa37 }, events('client'));
const server = new Connection({ role: 'server', maxPayload: 1024 }, events('server'));

// Gives octets to an end in two pieces, as a network may cut them: the result is the same.
function give(end, octets) {
  const middle = octets.length >> 1;
  end.receive(octets.subarray(0, middle));
  end.receive(octets.subarray(middle));
}

// Moves octets until nobody has any to send.
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

// The closing handshake: our close frame, and the answer.
client.close(1000, 'all said');
console.log(`client is ${client.state}, server is ${server.state}`);
exchange();
console.log(`client is ${client.state}, server is ${server.state}`);

// A peer that breaks a rule: the connection is failed, and the close frame that says why is ready to be sent.
const strict = new Connection({ role: 'server' }, events('strict'));
strict.receive(Buffer.from('810548656c6c6f', 'hex'));
console.log(`strict is ${strict.state} and answers ${strict.takeOutgoing().toString('hex')}`);
