import { expect } from 'vitest';
import { WebSocket } from '../../src/index.ts';
import { areZlibSlotsFree, noTakeover, takeover } from '../support/deflating.ts';
import { ChunkStream } from '../support/memory-stream.ts';
import { eventually } from '../support/until.ts';

/** Long enough for zlib's thread pool, both to compress and to inflate. */
export const large = 'The quick brown fox. '.repeat(20_000);

/** The two agreements on permessage-deflate, each with the option of a server that leads to it. */
export const agreements = [
  { name: 'without context takeover', deflate: noTakeover, perMessageDeflate: true },
  { name: 'with context takeover', deflate: takeover, perMessageDeflate: { contextTakeover: true } },
];

/** Shortens data for a log. */
function brief(data: unknown): string {
  const text = String(data);
  return text.length > 40 ? `${text.slice(0, 9)} (${text.length})` : text;
}

export const largeInBrief = brief(large);

/** Records the events of a socket, in order and shortened. */
export function record(socket: WebSocket): string[] {
  const log: string[] = [];
  socket.on('message', (data) => log.push(`message ${brief(data)}`));
  socket.on('ping', (data) => log.push(`ping ${data}`));
  socket.on('error', (error) => log.push(`error ${(error as { code?: string }).code ?? error.message}`));
  socket.on('close', (code, reason) => log.push(`close ${code} ${reason}`.trimEnd()));
  return log;
}

/**
 * Returns a server's end on a stream, with compression. At most one message at a time is in zlib's thread pool, so that
 * `holdZlibSlot` blocks it.
 */
export function serverEnd(options: object = {}): { stream: ChunkStream; socket: WebSocket; log: string[] } {
  const stream = new ChunkStream();
  const socket = new WebSocket(null);
  const log = record(socket);
  const perMessageDeflate = { concurrencyLimit: 1 };
  socket.setSocket(stream, Buffer.alloc(0), { deflate: noTakeover, perMessageDeflate, ...options });
  return { stream, socket, log };
}

/** Resolves once zlib's thread pool is unused. */
export const idle = () => eventually(() => expect(areZlibSlotsFree()).toBe(true));
