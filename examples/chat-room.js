// Chat rooms, created when a client enters. Every member of a room receives every line, and new members the latest
// ones.
//   node examples/chat-room.js
import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'goodwire';
import { defineGoods, Market } from 'goodwire/goods';
import { GoodsClient } from 'goodwire/goods/client';

// One definition for all rooms, which both sides can import.
const rooms = defineGoods('chat/*', {
  // Clients may supply items that `item` accepts, if `authorize` allows it.
  remote: true,
  item({ from, text }) {
    if (typeof from !== 'string' || typeof text !== 'string' || text.length > 500)
      throw new TypeError('no line of a chat');
    return { from, text };
  },
  authorize: ({ user }, { action }) => action !== 'supply' || user !== 'guest',
  history: { size: 50, ttl: 3_600_000 },
});

const market = new Market();
market.provider('host').shelve(rooms);
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
// Identifies the user, by a cookie or a token for example. Throwing refuses the connection.
market.serve(server, { identify: ({ url }) => new URL(url, 'ws://localhost').searchParams.get('name') ?? 'guest' });
await once(server, 'listening');

const enter = (name) => new GoodsClient(`ws://127.0.0.1:${server.address().port}/?name=${name}`, { WebSocket });
const kitchen = rooms.named('chat/kitchen');

const alice = enter('alice');
const bob = enter('bob');
const guest = enter('guest');

async function listen(name, client, options) {
  const lines = await client.subscribe(kitchen, undefined, options);
  return async (count) => {
    for (let i = 0; i < count; i++) {
      const { value } = await lines.next();
      console.log(`${name} hears ${value.item.from}: ${value.item.text}`);
    }
  };
}

const aliceHears = await listen('alice', alice);
await alice.supply(kitchen, { from: 'alice', text: 'anybody here?' });
await alice.supply(kitchen, { from: 'alice', text: 'hello?' });
await aliceHears(2);

// New members first receive the last two lines.
const bobHears = await listen('bob', bob, { last: 2 });
await bob.supply(kitchen, { from: 'bob', text: 'I am' });
await bobHears(3);
await aliceHears(1);

for (const [who, client, line] of [
  ['the guest', guest, { from: 'guest', text: 'me too' }],
  ['bob', bob, { text: 42 }],
]) {
  await client.supply(kitchen, line).catch(({ code }) => console.log(`${who} is refused: ${code}`));
}

for (const client of [alice, bob, guest]) client.close();
server.close();
