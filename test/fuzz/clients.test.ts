import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { mutateText } from '../../fuzz/mutations/text.ts';
import { Random } from '../../fuzz/random.ts';
import { readRecordings } from '../../fuzz/recordings.ts';
import { type Implementation, implementations } from '../support/peers.ts';
import { acceptFor, fieldOf } from '../support/raw-server.ts';
import { described } from '../support/watch.ts';

const rightKey = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

/** Returns a stream to a server that responds to a request with this text, and ends. */
function answering(response: string): Duplex {
  let request = '';
  return new Duplex({
    read() {},
    write(octets: Buffer, _encoding, callback) {
      request += octets.toString('latin1');
      if (request.endsWith('\r\n\r\n')) {
        const key = fieldOf(request, 'sec-websocket-key') ?? '';
        this.push(Buffer.from(response.replaceAll(rightKey, acceptFor(key)), 'latin1'));
        this.push(null);
      }
      callback();
    },
  });
}

/** Returns the result of a client for a response: open, or its error. */
async function outcomeOf({ WebSocket }: Implementation, response: string): Promise<string> {
  const options = { createConnection: () => answering(response), perMessageDeflate: false } as object;
  const socket = new WebSocket('ws://localhost/', ['chat', 'superchat'], options);
  const outcome = await Promise.race([
    once(socket, 'open').then(() => `open ${socket.protocol}`),
    new Promise<string>((resolve) => socket.on('error', (error) => resolve(described(error)))),
  ]).catch(described);
  socket.terminate();
  return outcome;
}

/** Responses that goodwire refuses and ws accepts, as listed in docs/ws-differences.md. */
const stricter = /^Error: Invalid Connection header$/;

test('the clients of ws and goodwire agree on nearly every response, and on all that break a rule of both', async () => {
  const random = new Random(20_251_126);
  const seeds = readRecordings().map(({ response }) =>
    Buffer.from(
      response
        .replace(/(sec-websocket-accept): \S+/i, `$1: ${rightKey}`)
        .replace(/sec-websocket-extensions: [^\r]*\r\n/i, ''),
      'latin1',
    ),
  );
  const kinds = new Set<string>();
  for (let i = 0; i < 250; i++) {
    let octets: Buffer = random.pick(seeds);
    for (let changes = random.between(1, 3); changes > 0; changes--)
      octets = mutateText(random, octets, random.pick(seeds));
    const response = octets.toString('latin1');
    const [ours, theirs] = await Promise.all([
      outcomeOf(implementations.goodwire, response),
      outcomeOf(implementations.ws, response),
    ]);
    kinds.add(ours);
    if (stricter.test(ours)) continue;
    expect(ours, JSON.stringify(response)).toBe(theirs);
  }
  expect(kinds.size).toBeGreaterThan(5);
});
