import { message } from '../session/received-event.ts';
import type { Chop } from '../wire/chops.ts';
import { type CaseDefinition, normalClose } from './case-definition.ts';
import { binaryOf, textOf } from './payloads.ts';
import { allRoundTrips, makeRoundTrips } from './round-trips.ts';

const mebi = 2 ** 20;
const kindOf = (isBinary: boolean): string => (isBinary ? 'binary' : 'text');
const echoOf = (kind: string): string => `Receive echo'ed ${kind} message (with payload as sent).`;

interface EchoCase {
  readonly id: string;
  readonly description: string;
  readonly expectation: string;
  readonly length: number;
  readonly isBinary: boolean;
  readonly frameSize?: number;
  readonly chop?: Chop;
}

function echo({
  id,
  description,
  expectation,
  length,
  isBinary,
  frameSize = 0,
  chop = 'whole',
}: EchoCase): CaseDefinition {
  return {
    id,
    description,
    expectation,
    timeLimit: 100_000,
    reportTime: true,
    plan: () => {
      const payload = isBinary ? binaryOf(length) : textOf(length);
      return {
        expected: { OK: [message(payload, isBinary)] },
        close: normalClose,
        act: (session) => session.sendMessage(payload, isBinary, frameSize, chop),
      };
    },
  };
}

// The texts are those of the catalogue, including its wrong sizes.
const sizes: readonly (readonly [length: number, text: string, binary: string])[] = [
  [64 * 1024, '64 * 2**10 (64k)', '64 * 2**10 (64k)'],
  [256 * 1024, '256 * 2**10 (256k)', '256 * 2**10 (256k)'],
  [mebi, '1 * 2**20 (1M)', '1 * 2**20 (1M)'],
  [4 * mebi, '4 * 2**20 (4M)', '4 * 2**20 (4M)'],
  [8 * mebi, '8 * 2**20 (8M)', '8 * 2**20 (16M)'],
  [16 * mebi, '16 * 2**20 (16M)', '16 * 2**20 (16M)'],
];

const large = (isBinary: boolean): CaseDefinition[] =>
  sizes.map(([length, text, binary], index) =>
    echo({
      id: `9.${isBinary ? 2 : 1}.${index + 1}`,
      description: `Send ${kindOf(isBinary)} message message with payload of length ${isBinary ? binary : text}.`,
      expectation: echoOf(kindOf(isBinary)),
      length,
      isBinary,
    }),
  );

const frameSizes: readonly (readonly [size: number, name: string])[] = [
  [64, '64'],
  [256, '256'],
  [1024, '1k'],
  [4096, '4k'],
  [16 * 1024, '16k'],
  [64 * 1024, '64k'],
  [256 * 1024, '256k'],
  [mebi, '1M'],
  [4 * mebi, '4M'],
];

const fragmented = (isBinary: boolean): CaseDefinition[] =>
  frameSizes.map(([frameSize, name], index) => {
    const size = !isBinary && index === 8 ? '8M' : '4M';
    return echo({
      id: `9.${isBinary ? 4 : 3}.${index + 1}`,
      description: `Send fragmented ${kindOf(isBinary)} message message with message payload of length 4 * 2**20 (${size}). Sent out in fragments of ${name}.`,
      expectation: echoOf(kindOf(isBinary)),
      length: 4 * mebi,
      isBinary,
      frameSize,
    });
  });

const chopped = (isBinary: boolean): CaseDefinition[] =>
  [64, 128, 256, 512, 1024, 2048].map((chop, index) =>
    echo({
      id: `9.${isBinary ? 6 : 5}.${index + 1}`,
      description: `Send ${kindOf(isBinary)} message message with payload of length 1 * 2**20 (1M). Sent out data in chops of ${chop} octets.`,
      expectation: echoOf(kindOf(isBinary && index === 0)),
      length: mebi,
      isBinary,
      chop,
    }),
  );

const latencies: readonly (readonly [size: number, seconds: number])[] = [
  [0, 60],
  [16, 60],
  [64, 60],
  [256, 120],
  [1024, 240],
  [4096, 480],
];

const latency = (isBinary: boolean): CaseDefinition[] =>
  latencies.map(([size, seconds], index) => ({
    id: `9.${isBinary ? 8 : 7}.${index + 1}`,
    description: `Send 1000 ${kindOf(isBinary)} messages of payload size ${size} to measure implementation/network RTT (round trip time) / latency.`,
    expectation: `Receive echo'ed ${kindOf(isBinary)} messages (with payload as sent). Timeout case after ${seconds} secs.`,
    timeLimit: seconds * 1000,
    reportTime: true,
    plan: () => {
      const payload = isBinary ? binaryOf(size) : textOf(size);
      return {
        expected: { OK: [allRoundTrips] },
        close: normalClose,
        act: (session) => makeRoundTrips(session, () => payload, isBinary),
      };
    },
  }));

/** Large messages, many fragments, many chops, many round trips. */
export const group9: readonly CaseDefinition[] = [
  ...large(false),
  ...large(true),
  ...fragmented(false),
  ...fragmented(true),
  ...chopped(false),
  ...chopped(true),
  ...latency(false),
  ...latency(true),
];
