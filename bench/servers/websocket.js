/**
 * Server application to be measured, with the same code for goodwire and for ws except the import. Settings: `library`
 * (module to import), `deliver` (`data`: echoed as received; `string`: as `toString()`), `perMessageDeflate`.
 */
import { createRequire } from 'node:module';
import { answer, settings, settledMemory } from '../control.js';

const {
  library,
  deliver,
  perMessageDeflate = false,
} = /** @type {{ library: string, deliver: 'data' | 'string', perMessageDeflate?: object }} */ (settings());
const { WebSocketServer } = await import(library);

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate, backlog: 4096 });

/** @this {any} @param {Buffer} data @param {boolean} isBinary */
function echo(data, isBinary) {
  this.send(data, { binary: isBinary });
}

/** @this {any} @param {Buffer} data */
function echoString(data) {
  this.send(data.toString());
}

const onMessage = deliver === 'string' ? echoString : echo;
server.on('connection', (/** @type {any} */ socket) => socket.on('message', onMessage));
server.on('listening', () => {
  answer({
    port: () => server.address().port,
    connections: () => server.clients.size,
    memory: settledMemory,
    // Detects the native addon by the loaded modules, not by the settings.
    native: () => Object.keys(createRequire(import.meta.url).cache).some((path) => /[\\/]bufferutil[\\/]/.test(path)),
  });
});
