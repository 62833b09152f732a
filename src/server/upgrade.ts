import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { afterPoll } from '../event-loop/after-poll.ts';
import { destroyStream } from '../transport/destroy-stream.ts';
import type { WebSocket } from '../websocket/websocket.ts';
import { acceptUpgrade, originPolicy, type UpgradeHost } from './accept-upgrade.ts';
import { requireHandshakeLimits } from './handshake-limits.ts';
import { PendingHandshakes } from './pending-handshakes.ts';
import type { UpgradeOptions } from './server-options.ts';

/**
 * Accepts one WebSocket (RFC 6455 §4.2) from the `upgrade` event of an HTTP server, without a `WebSocketServer`. No
 * event is lost if listeners are added directly after awaiting the promise.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http';
 * import { upgrade } from 'goodwire';
 *
 * const server = createServer();
 * server.on('upgrade', async (request, socket, head) => {
 *   const accepted = upgrade(request, socket, head, { origins: ['https://example.com'] });
 *   const websocket = await accepted.catch(() => null); // refused and answered: an unhandled rejection would end the process
 *   websocket?.send('hello');
 * });
 * server.listen(8080);
 * ```
 * @returns The open socket. The promise rejects with a HandshakeError after the refusal was sent, or if the socket has
 *   closed.
 * @throws Rejects with a TypeError or RangeError if `origins` or a limit is invalid, and with an Error if the socket
 *   was upgraded before or is being upgraded.
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
        // Otherwise a stream whose pause() throws would stay open as a WebSocket without an owner.
        destroyStream(socket);
        reject(error);
        return;
      }
      resolve(websocket as InstanceType<Socket>);
    });
  });
}

/**
 * Pauses the socket until promises have resolved. Otherwise data received with the handshake would be delivered on the
 * next tick, before the promise.
 */
function holdEvents(socket: Duplex, websocket: WebSocket): void {
  socket.pause();
  afterPoll(() => {
    if (websocket.isPaused) return;
    try {
      socket.resume();
    } catch {
      // Otherwise the exception would be uncaught and end the process.
      destroyStream(socket);
    }
  });
}
