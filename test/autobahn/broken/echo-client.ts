import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { EchoPeer } from './echo-peer.ts';
import { readResponse } from './extensions.ts';
import type { FaultName } from './faults.ts';
import { acceptKey, fieldsOf, readHead } from './handshake.ts';

/**
 * Connects to a fuzzing server, and echoes until the connection has ended. Resolves then, and also if the connection
 * failed.
 */
export async function runEchoClient(url: string, faults: Iterable<FaultName> = []): Promise<void> {
  const { hostname, port, pathname, search } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const isClosed = once(socket, 'close').catch(() => {});
  socket.on('error', () => {});
  const chosen = new Set(faults);
  try {
    await once(socket, 'connect');
    await echo(socket, `${hostname}:${port}`, `${pathname}${search}`, chosen);
  } catch {
    // The fuzzing server refused or ended the connection, and records the result itself.
  }
  socket.destroy();
  await isClosed;
}

async function echo(socket: Socket, host: string, target: string, faults: ReadonlySet<FaultName>): Promise<void> {
  const key = randomBytes(16).toString('base64');
  const lines = [
    `GET ${target} HTTP/1.1`,
    `Host: ${host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${faults.has('handshake wrong') ? 'short' : key}`,
    'Sec-WebSocket-Version: 13',
    ...(faults.has('no extension') ? [] : ['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits']),
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  const { head, rest } = await readHead(socket);
  const fields = fieldsOf(head);
  if (!head.startsWith('HTTP/1.1 101 ') || fields.get('sec-websocket-accept') !== acceptKey(key)) return;
  const deflate = readResponse(fields.get('sec-websocket-extensions'));
  await new EchoPeer(socket, { role: 'client', faults, deflate }).run(rest);
}
