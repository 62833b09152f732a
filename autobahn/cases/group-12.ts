import type { DeflateRequest } from '../wire/deflate-agreement.ts';
import { type CaseDefinition, normalClose } from './case-definition.ts';
import { type Corpus, corpora } from './corpus.ts';
import { allRoundTrips, makeRoundTrips } from './round-trips.ts';

/** The eighteen pairs of sizes for each type of message: size of the message, and of its frames (0: one frame). */
const sizes: readonly (readonly [message: number, frame: number])[] = [
  [16, 0],
  [64, 0],
  [256, 0],
  [1024, 0],
  [4096, 0],
  [8192, 0],
  [16384, 0],
  [32768, 0],
  [65536, 0],
  [131072, 0],
  [8192, 256],
  [16384, 256],
  [32768, 256],
  [65536, 256],
  [131072, 256],
  [131072, 1024],
  [131072, 4096],
  [131072, 32768],
];

const secondsFor = (size: number): number => (size <= 64 ? 60 : size === 256 ? 120 : size === 1024 ? 240 : 480);

/** Returns the eighteen cases for one corpus and one list of compression settings, which `offer` describes. */
export function compressed(
  group: string,
  corpus: Corpus,
  deflate: readonly DeflateRequest[],
  offer: string,
): CaseDefinition[] {
  return sizes.map(([size, frameSize], index) => ({
    id: `${group}.${index + 1}`,
    description: `Send 1000 compressed messages each of payload size ${size}, auto-fragment to ${frameSize} octets. ${offer}`,
    expectation: `Receive echo'ed messages (with payload as sent). Timeout case after ${secondsFor(size)} secs.`,
    timeLimit: secondsFor(size) * 1000,
    deflate,
    reportTime: true,
    plan: () => ({
      expected: { OK: [allRoundTrips] },
      close: normalClose,
      act: (session) => makeRoundTrips(session, (number) => corpus.slice(number, size), corpus.isBinary, frameSize),
    }),
  }));
}

const noWishes: DeflateRequest = { noContextTakeover: false, maxWindowBits: 0 };

/** Messages of several types, compressed with the peer's settings. */
export const group12: readonly CaseDefinition[] = Object.values(corpora).flatMap((corpus, index) =>
  compressed(`12.${index + 1}`, corpus, [noWishes], 'Use default permessage-deflate offer.'),
);
