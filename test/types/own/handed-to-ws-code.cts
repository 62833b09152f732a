// The same from CommonJS, where the types of ws are another declaration.
import { WebSocket } from 'goodwire';
import type * as ws from 'ws';

declare function track(socket: ws.WebSocket): void;

track(new WebSocket('ws://127.0.0.1'));
