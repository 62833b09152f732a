import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';

const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Returns the `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 §4.2.2). */
export function acceptKey(key: string): string {
  return createHash('sha1')
    .update(key + guid)
    .digest('base64');
}

/** Returns the fields in the head of a request or a response, with names in lower case. */
export function fieldsOf(head: string): ReadonlyMap<string, string> {
  const lines = head.split('\r\n').slice(1);
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
}

/** Reads the head of a request or a response, and the data behind it. Rejects if the stream ends before. */
export async function readHead(socket: Socket): Promise<{ head: string; rest: Buffer }> {
  let octets: Buffer = Buffer.alloc(0);
  while (octets.indexOf('\r\n\r\n') < 0) {
    if (octets.length > 65_536) throw new Error('the head of HTTP has no end');
    const chunk: Buffer | null = socket.read();
    if (chunk !== null) octets = Buffer.concat([octets, chunk]);
    else if (socket.readableEnded || socket.destroyed)
      throw new Error('the connection ended before the head of HTTP did');
    else await Promise.race([once(socket, 'readable'), once(socket, 'end'), once(socket, 'close')]);
  }
  const end = octets.indexOf('\r\n\r\n');
  return { head: octets.toString('latin1', 0, end), rest: octets.subarray(end + 4) };
}
