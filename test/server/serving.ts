import { once } from 'node:events';
import { afterEach } from 'vitest';
import type { ServerOptions } from '../../src/server/server-options.ts';
import { WebSocketServer } from '../../src/server/websocket-server.ts';

/** Actions at the end of a test, in reverse order. */
export const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Starts a server with its own port, until the end of the test. */
export async function serve(options: ServerOptions = {}): Promise<WebSocketServer> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
  cleanups.push(() => {
    for (const client of server.clients ?? []) client.terminate();
    return new Promise((resolve) => server.close(resolve));
  });
  await once(server, 'listening');
  return server;
}
