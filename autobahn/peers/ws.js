import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { WebSocket, WebSocketServer } from 'ws';
import { peerOf } from './ws-api.js';

/** @returns {Promise<string>} */
export async function version() {
  return JSON.parse(await readFile(createRequire(import.meta.url).resolve('ws/package.json'), 'utf8')).version;
}

export const { serve, connect } = peerOf({ WebSocket, WebSocketServer });
