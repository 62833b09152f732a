import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { portOf } from '../../support/port-of.ts';
import { EchoPeer } from './echo-peer.ts';
import { acceptOffer } from './extensions.ts';
import type { FaultName } from './faults.ts';
import { acceptKey, fieldsOf, readHead } from './handshake.ts';

/** Server that echoes, with the given faults. */
export interface EchoServer extends AsyncDisposable {
  readonly url: string;
}

/** Starts an echo server on the loopback interface. */
export async function startEchoServer(faults: Iterable<FaultName> = []): Promise<EchoServer> {
  const chosen = new Set(faults);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    echoOn(socket, chosen).catch(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `ws://127.0.0.1:${portOf(server)}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function echoOn(socket: Socket, faults: ReadonlySet<FaultName>): Promise<void> {
  socket.setNoDelay(true);
  const { head, rest } = await readHead(socket);
  const fields = fieldsOf(head);
  const agreement = faults.has('no extension') ? undefined : acceptOffer(fields.get('sec-websocket-extensions'));
  const key = fields.get('sec-websocket-key') ?? '';
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${acceptKey(faults.has('handshake wrong') ? `${key}x` : key)}`,
    ...(agreement === undefined ? [] : [`Sec-WebSocket-Extensions: ${agreement.response}`]),
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  await new EchoPeer(socket, { role: 'server', faults, deflate: agreement?.terms }).run(rest);
}
