import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { destroyStream } from '../transport/destroy-stream.ts';
import { afterPoll } from '../transport/write-batching.ts';
import type { WebSocket } from '../websocket/websocket.ts';
import { acceptUpgrade, originPolicy, type UpgradeHost } from './accept-upgrade.ts';
import { requireHandshakeLimits } from './handshake-limits.ts';
import { PendingHandshakes } from './pending-handshakes.ts';
import type { UpgradeOptions } from './server-options.ts';

/**
 * Accepts one WebSocket (RFC 6455 §4.2) from the `upgrade` event of an HTTP server, without a `WebSocketServer`:
 *
 * ```ts
 * server.on('upgrade', async (request, socket, head) => {
 *   const accepted = upgrade(request, socket, head, { origins: ['https://example.com'] });
 *   const websocket = await accepted.catch(() => null); // refused, and answered: a rejection left alone would end the process
 *   websocket?.send('hello');
 * });
 * ```
 *
 * No event is lost between its promise and the listeners that whoever awaits it adds at once.
 * @returns The open socket. The promise rejects with a HandshakeError after the refusal was answered, or when the socket is gone.
 * @throws Rejects with a TypeError or RangeError for `origins` or limits that are none, and with an Error for a socket that was upgraded before or is about
 *   to be.
 */
export function upgrade<Socket extends typeof WebSocket = typeof WebSocket>(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  options: UpgradeOptions<Socket> = {},
): Promise<InstanceType<Socket>> {
  return new Promise((resolve, reject: (error: unknown) => void) => {
    const general = options as unknown as UpgradeOptions;
    requireHandshakeLimits(general);
    const host: UpgradeHost = {
      options: general,
      allowsOrigin: originPolicy(general.origins),
      pending: new PendingHandshakes(),
      shouldHandle: () => true,
      isRunning: () => true,
      showLines: () => false,
      accepted: () => {},
      takesOver: () => false,
      refused: reject,
    };
    acceptUpgrade(host, request, socket, head, (websocket) => {
      try {
        holdEvents(socket, websocket);
      } catch (error) {
        // Otherwise a stream whose pause() throws would stay open as a WebSocket that nobody has.
        destroyStream(socket);
        reject(error);
        return;
      }
      resolve(websocket as InstanceType<Socket>);
    });
  });
}

/** What came with the handshake would be delivered on the next tick, and promises are later than ticks. */
function holdEvents(socket: Duplex, websocket: WebSocket): void {
  socket.pause();
  afterPoll(() => {
    if (websocket.isPaused) return;
    try {
      socket.resume();
    } catch {
      // Otherwise the exception would end the process, because it has no caller.
      destroyStream(socket);
    }
  });
}
