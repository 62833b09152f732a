import { createHash } from 'node:crypto';
import { checkResponse } from '../../src/handshake/client-handshake.ts';
import { HandshakeError } from '../../src/handshake/handshake-error.ts';
import { choose, demand, type Target } from '../case.ts';
import { mutateText } from '../mutations/text.ts';
import { readRecordings } from '../recordings.ts';
import { type Head, readHead } from './http.ts';

const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

/** Returns the first rule of §4.1 that a response breaks, in its order. */
function broken({ headers }: Head, status: number, subprotocols: readonly string[]): string | null {
  const value = (name: string) => (Object.hasOwn(headers, name) ? headers[name] : undefined);
  if (status !== 101) return 'GOODWIRE_UNEXPECTED_RESPONSE';
  if (value('upgrade')?.toLowerCase() !== 'websocket') return 'GOODWIRE_INVALID_UPGRADE';
  const connection = value('connection')
    ?.split(',')
    .map((one) => one.replace(/^[ \t]+|[ \t]+$/g, '').toLowerCase());
  if (!connection?.includes('upgrade')) return 'GOODWIRE_INVALID_CONNECTION';
  if (value('sec-websocket-accept')?.trim() !== accept) return 'GOODWIRE_INVALID_ACCEPT';
  const chosen = value('sec-websocket-protocol');
  if (chosen !== undefined && subprotocols.length === 0) return 'GOODWIRE_UNREQUESTED_SUBPROTOCOL';
  if (chosen !== undefined && !subprotocols.includes(chosen)) return 'GOODWIRE_INVALID_SUBPROTOCOL';
  if (chosen === undefined && subprotocols.length > 0) return 'GOODWIRE_MISSING_SUBPROTOCOL';
  return value('sec-websocket-extensions') === undefined ? null : 'GOODWIRE_UNREQUESTED_EXTENSION';
}

export const response: Target = {
  name: 'response',
  title: 'A client accepts exactly the responses that meet every rule of §4.1, and names the broken rule of others',

  seeds: () =>
    readRecordings().flatMap(({ response: text }) => {
      const ours = text.replace(/(sec-websocket-accept): \S+/i, `$1: ${accept}`);
      const plain = ours.replace(/sec-websocket-extensions: [^\r]*\r\n/i, '');
      const chat = plain.replace(/\r\n\r\n$/, '\r\nSec-WebSocket-Protocol: chat\r\n\r\n');
      return [ours, plain, chat].map((one, config) => ({ octets: Buffer.from(one, 'latin1'), cut: [], config }));
    }),

  mutate: (random, given, other) => ({
    octets: mutateText(random, given.octets, other.octets),
    cut: [],
    config: random.oneIn(6) ? random.below(3) : given.config,
  }),

  run({ octets, config }) {
    const head = readHead(octets);
    const status = /^HTTP\/1\.1 (\d{3})\b/.exec(head?.start ?? '')?.[1];
    if (head === null || status === undefined) return 'not for us';
    const subprotocols = choose(config, 0, [[], [], ['chat', 'superchat']]);
    const expected = broken(head, Number(status), subprotocols);
    let found: string | null = null;
    try {
      const agreement = checkResponse({ status: Number(status), headers: head.headers }, { key, subprotocols });
      demand(agreement.protocol === '' || subprotocols.includes(agreement.protocol), 'a subprotocol was asked for');
    } catch (error) {
      if (!(error instanceof HandshakeError)) throw error;
      demand(error.status === Number(status), 'the error has the status');
      found = error.code;
    }
    demand(found === expected, 'the first broken rule is reported', [found, expected]);
    return `${found} ${subprotocols.length}`;
  },
};
