import { once } from 'node:events';
import { afterEach } from 'vitest';
import type { ServerOptions } from '../../src/server/server-options.ts';
import { WebSocketServer } from '../../src/server/websocket-server.ts';

/** What the end of a test does, the last first. */
export const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A server at a port of its own, until the end of the test. */
export async function serve(options: ServerOptions = {}): Promise<WebSocketServer> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
  cleanups.push(() => {
    for (const client of server.clients ?? []) client.terminate();
    return new Promise((resolve) => server.close(resolve));
  });
  await once(server, 'listening');
  return server;
}
