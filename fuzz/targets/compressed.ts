import { isUtf8 } from 'node:buffer';
import { deflateRawSync, constants as zlib } from 'node:zlib';
import { Connection, type PeerError } from '../../src/connection/connection.ts';
import { MessageInflater } from '../../src/extension/deflate-messages.ts';
import type { DeflateAgreement } from '../../src/extension/deflate-negotiation.ts';
import { InflateError } from '../../src/extension/inflate-error.ts';
import { documentedRung } from '../../src/extension/raw-zlib.ts';
import { ProtocolError } from '../../src/frame/protocol-error.ts';
import { choose, chunksOf, demand, type Target } from '../case.ts';
import { type Rules, readWire, soundFrame, writeWire } from '../naive/frames.ts';
import { type Hearing, hear, type Told } from '../naive/messages.ts';
import { isDeflated, readRecordings } from '../recordings.ts';
import { described } from './connection.ts';
import { mutateCase, rulesOf } from './frame.ts';

const deflated = (text: string): Buffer => deflateRawSync(text, { finishFlush: zlib.Z_SYNC_FLUSH }).subarray(0, -4);

/** Returns the expected events for bytes with compressed messages, which are inflated once complete. */
function hearInflated(octets: Buffer, rules: Rules, windowBits: number, takesContextOver: boolean): Hearing {
  const heard = hear(octets, rules, true);
  const inflater = new MessageInflater({ windowBits, takesContextOver, rung: documentedRung });
  const told: Told[] = [];
  try {
    for (const one of heard.told) {
      if (one.kind !== 'message' || !one.isCompressed) {
        told.push(one);
        continue;
      }
      const payload = inflater.inflate(
        one.payload,
        rules.maxPayload === 0 ? Number.POSITIVE_INFINITY : rules.maxPayload,
      );
      if (!one.isBinary && !isUtf8(payload)) return { told, error: 'WS_ERR_INVALID_UTF8' };
      told.push({ ...one, payload, isCompressed: false });
    }
    return { told, error: heard.error };
  } catch (error) {
    if (!(error instanceof InflateError) && !(error instanceof ProtocolError)) throw error;
    return { told, error: error.code };
  } finally {
    inflater.close();
  }
}

export const compressed: Target = {
  name: 'compressed',
  title: 'Connection delivers compressed messages as zlib inflates them, and fails on invalid ones',

  seeds: () => {
    const recordings = readRecordings().filter(isDeflated);
    const made = ([0x3d21fa37, null] as const).map((key) =>
      Buffer.concat([
        writeWire(soundFrame(0xc1, deflated('Hello, hello, hello'), key)),
        writeWire(soundFrame(0x41, deflated('κόσμε κόσμε').subarray(0, 5), key)),
        writeWire(soundFrame(0x89, Buffer.from('p'), key)),
        writeWire(soundFrame(0x80, deflated('κόσμε κόσμε').subarray(5), key)),
        writeWire(soundFrame(0xc2, deflated('a'.repeat(20_000)), key)),
        writeWire(soundFrame(0xc1, Buffer.of(0), key)),
      ]),
    );
    const streams = [
      ...recordings.map(({ client }) => ({ octets: Buffer.from(client, 'hex'), bit: 0 })),
      ...recordings.map(({ server }) => ({ octets: Buffer.from(server, 'hex'), bit: 1 })),
      ...made.map((octets, bit) => ({ octets, bit })),
    ];
    return streams.flatMap(({ octets, bit }) =>
      [0, 64, 6, 70].map((more) => ({ octets, cut: [], config: bit | more })),
    );
  },

  mutate: (random, given, other) => ({
    ...mutateCase(random, given, other),
    ...(random.oneIn(6) && { config: (given.config & 1) | (random.below(512) << 1) }),
  }),

  run(given) {
    const rules = { ...rulesOf(given.config), allowRsv1: true };
    const takesContextOver = choose(given.config, 6, [false, true]);
    const windowBits = choose(given.config, 7, [15, 9, 12, 8]);
    const agreement: DeflateAgreement = {
      serverNoContextTakeover: !takesContextOver,
      clientNoContextTakeover: !takesContextOver,
      serverMaxWindowBits: windowBits,
      clientMaxWindowBits: windowBits,
    };
    const expected = hearInflated(given.octets, rules, windowBits, takesContextOver);

    const told: Told[] = [];
    const failures: PeerError[] = [];
    const peer = new Connection(
      { ...rules, deflate: { agreement } },
      {
        message: (data, isBinary) =>
          told.push({ kind: 'message', payload: Buffer.from(data as Buffer), isBinary, isCompressed: false }),
        ping: (payload) => told.push({ kind: 'ping', payload }),
        pong: (payload) => told.push({ kind: 'pong', payload }),
        closeReceived: (code, reason) => told.push({ kind: 'close', code, payload: reason }),
        failure: (error) => failures.push(error),
      },
    );
    for (const chunk of chunksOf(given)) peer.receive(chunk);
    const [failure] = failures;
    const [is, ought] = [told.map(described), expected.told.map(described)];
    demand(failures.length <= 1, 'a connection fails once');
    if (expected.error === null && failure === undefined) {
      demand(is.join('\n') === ought.join('\n'), 'the events are those received', [is, ought]);
    } else {
      demand(failure !== undefined, 'a broken rule fails the connection', expected.error);
      // An invalid message may be rejected before its end has arrived.
      demand(
        is.every((line, i) => line === ought[i]),
        'no other events are reported',
        [is, ought],
      );
      demand([1002, 1007, 1008, 1009].includes(failure.closeCode), 'the close code blames the peer');
    }
    const outgoing = readWire(peer.takeOutgoing());
    demand(
      outgoing.rest.length === 0 && outgoing.frames.every(({ form }) => form === 7),
      'only short control frames are sent',
    );
    peer.receiveEnd();
    return `${failure?.code} ${expected.told
      .map(({ kind }) => kind[0])
      .join('')
      .slice(0, 5)} ${expected.told.some((one) => one.payload.length > 1000)}`;
  },
};
