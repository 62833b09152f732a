import { readFile } from 'node:fs/promises';
import { WebSocket, WebSocketServer } from 'goodwire';
import { peerOf } from './ws-api.js';

/** @returns {Promise<string>} */
export async function version() {
  return JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')).version;
}

export const { serve, connect } = peerOf(
  /** @type {Parameters<typeof peerOf>[0]} */ (/** @type {unknown} */ ({ WebSocket, WebSocketServer })),
);
