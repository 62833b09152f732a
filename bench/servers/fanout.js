/** Fan-out with ws: a loop over `send`. Settings: `library`, `variants`, `size`. */
import { createRequire } from 'node:module';
import { answer, settings } from '../control.js';
import { frameLength } from '../wire.js';

const { library, variants, size } = /** @type {{ library: string, variants: number, size: number }} */ (settings());
const { WebSocketServer } = await import(library);

/** @type {Set<any>[]} */
const subscribers = Array.from({ length: variants }, () => new Set());
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false, backlog: 4096 });
server.on('connection', (/** @type {any} */ socket, /** @type {import('node:http').IncomingMessage} */ request) => {
  const [path, variant] = String(request.url).split('?');
  if (path === '/publisher') socket.on('message', publish);
  else subscribers[Number(variant)].add(socket);
});

/** @param {Buffer} data */
function publish(data) {
  for (let variant = 0; variant < variants; variant++) {
    // Created once per variant, as in a careful program.
    const tailored = variants === 1 ? data : Buffer.from(data.toString().replace(/^./, String(variant)));
    for (const socket of subscribers[variant]) socket.send(tailored, { binary: false });
  }
}

server.on('listening', () => {
  answer({
    port: () => server.address().port,
    subscribers: () => subscribers.reduce((sum, set) => sum + set.size, 0),
    frame: () => ({ length: frameLength({ size, content: 'ascii' }), hasOffset: false }),
    native: () => Object.keys(createRequire(import.meta.url).cache).some((path) => /[\\/]bufferutil[\\/]/.test(path)),
  });
});
