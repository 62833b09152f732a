import type { IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import { checkResponse } from '../../src/handshake/client-handshake.ts';
import { HandshakeError } from '../../src/handshake/handshake-error.ts';
import { readOffer } from '../../src/handshake/server-handshake.ts';
import { WebSocketServer } from '../../src/server/websocket-server.ts';
import { MemoryStream } from '../../test/support/memory-stream.ts';
import { demand, type Target } from '../case.ts';
import { mutateText } from '../mutations/text.ts';
import { readRecordings } from '../recordings.ts';
import { type Head, readHead, readResponse } from './http.ts';

const ws = createRequire(import.meta.url)('ws') as { WebSocketServer: typeof WebSocketServer };

/** Only acceptance is compared, not the agreement. */
const options = { noServer: true, perMessageDeflate: false, clientTracking: false } as const;
const [ours, theirs] = [new WebSocketServer(options), new ws.WebSocketServer(options)];

/** Returns the request of a head, as `node:http` would pass it to both servers. */
function requestOf({ start, headers, raw }: Head): IncomingMessage | null {
  const line = /^([A-Z]+) (\S+) HTTP\/(\d\.\d)$/.exec(start);
  if (line === null) return null;
  const [, method, url, httpVersion] = line;
  return { method, url, httpVersion, headers, rawHeaders: raw } as unknown as IncomingMessage;
}

/** Returns the response of a server. */
function answer(server: WebSocketServer, head: Head): string {
  const stream = new MemoryStream();
  server.handleUpgrade(requestOf(head)!, stream, Buffer.alloc(0), () => {});
  const { written } = stream;
  stream.destroy();
  return written;
}

/** Returns the code with which goodwire refuses a request; null if it accepts. */
function refusalOf(request: IncomingMessage): string | null {
  try {
    readOffer(request);
    return null;
  } catch (error) {
    if (!(error instanceof HandshakeError)) throw error;
    return error.code;
  }
}

/** Refusals that docs/ws-differences.md lists: ws accepts these requests, or refuses them with another status. */
const stricter = new Set([
  'GOODWIRE_MISSING_HOST',
  'GOODWIRE_INVALID_HOST',
  'GOODWIRE_INVALID_TARGET',
  'GOODWIRE_UNEXPECTED_BODY',
  'GOODWIRE_INVALID_HTTP_VERSION',
  'GOODWIRE_INVALID_CONNECTION',
  'GOODWIRE_INVALID_EXTENSIONS',
  'GOODWIRE_UNSUPPORTED_VERSION',
  // If several rules are broken, a stricter rule may be reported first.
  'GOODWIRE_INVALID_UPGRADE',
  'GOODWIRE_INVALID_KEY',
]);

export const handshake: Target = {
  name: 'handshake',
  title: 'Every request gets one valid response, a 101 that our client accepts, and the same verdict as in ws',

  seeds: () => readRecordings().map(({ request }) => ({ octets: Buffer.from(request, 'latin1'), cut: [], config: 0 })),

  mutate: (random, given, other) => ({ ...given, octets: mutateText(random, given.octets, other.octets) }),

  run({ octets }) {
    const head = readHead(octets);
    const request = head === null ? null : requestOf(head);
    if (head === null || request === null) return 'not for us';
    const written = answer(ours, head);
    const response = readResponse(written);
    demand(response !== null, 'the answer is one response', written);
    const { status, fields, body } = response;
    const field = (name: string) => fields.filter(([key]) => key === name).map(([, value]) => value);
    const refusal = refusalOf(request);
    if (status === 101) {
      demand(refusal === null, 'an invalid request is not accepted', refusal);
      demand(body === '', 'nothing follows a 101');
      const headers = Object.fromEntries(fields);
      const subprotocols = (request.headers['sec-websocket-protocol'] ?? '')
        .split(',')
        .map((one) => one.trim())
        .filter(Boolean);
      const agreement = checkResponse(
        { status, headers },
        { key: request.headers['sec-websocket-key']!, subprotocols },
      );
      demand(agreement.deflate === null, 'nothing is accepted that was not offered');
    } else {
      demand(status >= 400 && status < 500, 'the status blames the client', status);
      demand(field('connection').join().split(', ').includes('close'), 'a refusal closes the connection');
      demand(field('content-length').join() === String(Buffer.byteLength(body)), 'a refusal has its length', written);
    }
    const wsStatus = Number(answer(theirs, head).slice(9, 12));
    if (status !== wsStatus) {
      const isListed =
        status === 101
          ? /,/.test(request.headers.upgrade ?? '') || /,/.test(request.headers['sec-websocket-protocol'] ?? '')
          : status === 431
            ? head.raw.length > 512
            : refusal !== null && stricter.has(refusal);
      demand(isListed, 'both accept a request, or neither does', [status, wsStatus, refusal]);
    }
    return `${status} ${wsStatus} ${refusal} ${field('sec-websocket-protocol').length}`;
  },
};
