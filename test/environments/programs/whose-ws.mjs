// Says whose classes an import of `ws` gives, where goodwire is installed under that name.
import { createRequire } from 'node:module';
import { WebSocketServer } from 'ws';

const required = createRequire(import.meta.url)('ws').WebSocketServer;
const whose = (Server) => ('broadcast' in Server.prototype ? 'goodwire' : 'the runtime');
console.log(whose(WebSocketServer), whose(required));
