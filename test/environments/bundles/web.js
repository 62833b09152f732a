import WebSocket, * as names from 'goodwire';
import * as client from 'goodwire/goods/client';

globalThis.bundled = { WebSocket, names, client };
