import { deflateRawSync, constants as zlib } from 'node:zlib';
import { MessageDeflater, MessageInflater } from '../../src/extension/deflate-messages.ts';
import { InflateError } from '../../src/extension/inflate-error.ts';
import { documentedRung, handleRung } from '../../src/extension/raw-zlib.ts';
import { ProtocolError } from '../../src/frame/protocol-error.ts';
import { choose, chunksOf, demand, type Target } from '../case.ts';
import { mutateCut, mutateOctets } from '../mutations/octets.ts';
import { readWire } from '../naive/frames.ts';
import { isDeflated, readRecordings } from '../recordings.ts';

const rungs = [handleRung, documentedRung].filter((rung) => rung.works());

/** Returns a message, or the name of its documented error. Any other result is a fault. */
function inflate(inflater: MessageInflater, octets: Buffer, maxLength: number): Buffer | string {
  try {
    const message = inflater.inflate(octets, maxLength);
    demand(message.length <= maxLength, 'no message is longer than the limit', [message.length, maxLength]);
    return message;
  } catch (error) {
    if (error instanceof ProtocolError) {
      demand(error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 'it is too long', error.code);
      return 'too long';
    }
    // Octets that end within a block may also be reported as not DEFLATE: see InflateError.
    if (error instanceof InflateError) return 'not DEFLATE';
    throw error;
  }
}

const compressed = (octets: Buffer): Buffer =>
  deflateRawSync(octets, { finishFlush: zlib.Z_SYNC_FLUSH }).subarray(0, -4);

export const inflateTarget: Target = {
  name: 'inflate',
  title:
    'Any octets inflate to a message within the limit or to a documented error, equally on both rungs; and round-trip',

  seeds: () => {
    const sent = readRecordings()
      .filter(isDeflated)
      .flatMap(({ client, server }) => [client, server])
      .map((hex) =>
        readWire(Buffer.from(hex, 'hex'))
          .frames.filter(({ first }) => first % 16 < 8)
          .map(({ payload }) => payload),
      );
    const made = ['Hello', 'a'.repeat(5000), JSON.stringify({ a: [1, 2, 3], b: 'b' })].map((text) => [
      compressed(Buffer.from(text)),
      Buffer.from('00', 'hex'),
      deflateRawSync(text),
    ]);
    return [...sent, ...made].map((parts, i) => ({
      octets: Buffer.concat(parts),
      cut: parts.map(({ length }) => length),
      config: i,
    }));
  },

  mutate: (random, given, other) => {
    const octets = mutateOctets(random, given.octets, other.octets);
    return {
      octets,
      cut: random.oneIn(4) ? mutateCut(random, octets.length) : given.cut,
      config: random.oneIn(3) ? random.next() : given.config,
    };
  },

  run(given) {
    const settings = {
      windowBits: choose(given.config, 0, [15, 9, 12, 10, 8, 11, 13, 14]),
      takesContextOver: choose(given.config, 3, [false, true]),
    };
    const maxLength = choose(given.config, 4, [100_000, 1000, 5, 0]);
    const inflaters = rungs.map((rung) => new MessageInflater({ ...settings, rung }));
    // Each chunk is a message; 20 are enough.
    const messages = chunksOf(given).slice(0, 20);
    const kinds = messages.map((octets) => {
      const [first, ...others] = inflaters.map((inflater) => inflate(inflater, Buffer.from(octets), maxLength));
      for (const other of others) {
        // If there are two faults, the rungs may detect different ones.
        const isAlike =
          typeof first === 'string' ? typeof other === 'string' : typeof other !== 'string' && first!.equals(other!);
        demand(isAlike, 'both rungs give the same result', [first, other]);
      }
      return typeof first === 'string' ? first : 'message';
    });
    for (const inflater of inflaters) inflater.close();

    const [deflater, inflater] = [new MessageDeflater(settings), new MessageInflater(settings)];
    try {
      for (const octets of messages.slice(0, 3)) {
        const payload = deflater.deflate(octets);
        const again = inflater.inflate(payload, octets.length);
        demand(again.equals(octets), 'a deflated message inflates to itself', again);
      }
    } finally {
      deflater.close();
      inflater.close();
    }
    return `${kinds.slice(0, 3)}`;
  },
};
