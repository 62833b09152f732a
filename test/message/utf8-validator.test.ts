import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Utf8Validator } from '../../src/message/utf8-validator.ts';
import { fromHex, toHex } from '../support/hex.ts';
import { type Cut, cutOctets, cuts } from '../support/octets.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Returns the verdict of the platform. */
function isUtf8(octets: Uint8Array): boolean {
  try {
    decoder.decode(octets);
    return true;
  } catch {
    return false;
  }
}

/** Returns the verdict of the validator for octets in chunks. */
function validate(octets: Uint8Array, cut: Cut): boolean {
  const validator = new Utf8Validator();
  return cutOctets(octets, cut).every((chunk) => validator.push(chunk, 0, chunk.length)) && validator.isComplete;
}

/** Returns the index of the first octet that the validator rejects, given one at a time; -1 if none. */
function refusedAt(octets: Uint8Array): number {
  const validator = new Utf8Validator();
  return [...octets].findIndex((octet) => !validator.push(Uint8Array.of(octet), 0, 1));
}

/** Returns the index at which text stops being a prefix of valid text, by trying all continuations. */
function firstBadOctet(octets: Uint8Array): number {
  const tails = [[], [0x80], [0x90], [0xa0], [0xbf]].flatMap((next) =>
    [[], [0x80], [0x80, 0x80]].map((rest) => Buffer.from([...next, ...rest])),
  );
  for (let end = 1; end <= octets.length; end++) {
    const start = Buffer.from(octets.subarray(0, end));
    if (!tails.some((tail) => isUtf8(Buffer.concat([start, tail])))) return end - 1;
  }
  return -1;
}

/** Invalid sequences, and the index of the first invalid octet. */
const invalid: readonly [title: string, octets: string, at: number][] = [
  ['a continuation octet with nothing to continue', '80', 0],
  ['the last continuation octet with nothing to continue', 'bf', 0],
  ['a continuation octet behind a whole character', 'c3 a9 a9', 2],
  ['an overlong NUL in two octets', 'c0 80', 0],
  ['an overlong slash in two octets', 'c0 af', 0],
  ['the last overlong form of two octets', 'c1 bf', 0],
  ['an overlong slash in three octets', 'e0 80 af', 1],
  ['the last overlong form of three octets', 'e0 9f bf', 1],
  ['an overlong slash in four octets', 'f0 80 80 af', 1],
  ['the last overlong form of four octets', 'f0 8f bf bf', 1],
  ['the first surrogate', 'ed a0 80', 1],
  ['the last surrogate', 'ed bf bf', 1],
  ['a pair of surrogates (CESU-8)', 'ed a0 bd ed b8 80', 1],
  ['U+110000', 'f4 90 80 80', 1],
  ['a code point far beyond U+10FFFF', 'f5 80 80 80', 0],
  ['a sequence of five octets', 'f8 88 80 80 80', 0],
  ['a sequence of six octets', 'fc 84 80 80 80 80', 0],
  ['FE', 'fe', 0],
  ['FF', 'ff', 0],
  ['two octets, the second missing', 'c3 41', 1],
  ['two octets, the second a lead', 'c3 c3', 1],
  ['three octets, the second missing', 'e2 41', 1],
  ['three octets, the third missing', 'e2 82 41', 2],
  ['three octets, the third a lead', 'e2 82 e2', 2],
  ['four octets, the second missing', 'f0 41', 1],
  ['four octets, the third missing', 'f0 9f 41', 2],
  ['four octets, the fourth missing', 'f0 9f 98 41', 3],
  ['four octets, the fourth a lead', 'f0 9f 98 f0', 3],
  [
    'the example of Autobahn: κόσμε, a surrogate, "edited"',
    'ce ba cf 8c cf 83 ce bc ce b5 ed a0 80 65 64 69 74 65 64',
    11,
  ],
];

const valid: readonly [title: string, octets: string][] = [
  ['nothing', ''],
  ['NUL and DEL', '00 7f'],
  ['the first and the last character of two octets', 'c2 80 df bf'],
  ['the first and the last character of three octets', 'e0 a0 80 ef bf bf'],
  ['the neighbours of the surrogates', 'ed 9f bf ee 80 80'],
  ['the first and the last character of four octets', 'f0 90 80 80 f4 8f bf bf'],
  ['a byte order mark', 'ef bb bf 61 ef bb bf'],
  ['noncharacters and the replacement character', 'ef bf be ef bf bd ef b7 90'],
];

/** ASCII before and after, so that chunks are long enough for every path of the validator. */
const surroundings = [0, 1, 44, 45, 46, 47, 48, 49, 50, 51, 200];

describe('Utf8Validator', () => {
  it.each(invalid)('refuses %s (%s) at octet %i', (_title, text, at) => {
    const sequence = fromHex(text);
    expect(firstBadOctet(sequence)).toBe(at);
    for (const before of surroundings) {
      for (const behind of surroundings) {
        const all = Buffer.concat([Buffer.alloc(before, 'a'), sequence, Buffer.alloc(behind, 'a')]);
        expect(refusedAt(all)).toBe(before + at);
        // In chunks: rejected in the chunk with the invalid octet, and in none before.
        for (const size of [1, 2, 3, 4, 7, 48, 49, 50, 51, all.length]) {
          const validator = new Utf8Validator();
          let refused = -1;
          for (let from = 0; from < all.length; from += size) {
            if (validator.push(all, from, Math.min(from + size, all.length))) continue;
            refused = from;
            break;
          }
          expect(refused).toBe(before + at - ((before + at) % size));
        }
      }
    }
  });

  it.each(valid)('accepts %s (%s)', (_title, text) => {
    for (const before of surroundings) {
      for (const behind of surroundings) {
        const all = Buffer.concat([Buffer.alloc(before, 'a'), fromHex(text), Buffer.alloc(behind, 'a')]);
        for (const size of [1, 2, 3, 4, 5, 47, 48, 49, 50, 51]) {
          const sizes = Array(Math.ceil(all.length / size)).fill(size);
          if (!validate(all, sizes)) throw new Error(`refused ${toHex(all)} in chunks of ${size}`);
        }
        expect(validate(all, 'whole')).toBe(true);
      }
    }
  });

  it.each(['c3', 'e2', 'e2 82', 'f0', 'f0 9f', 'f0 9f 98', 'e0 a0', 'f4 8f bf'])(
    'treats a text cut within a character (%s) as incomplete',
    (text) => {
      for (const before of surroundings) {
        const all = Buffer.concat([Buffer.alloc(before, 'a'), fromHex(text)]);
        for (const cut of ['whole', 'octet by octet', [before], [before + 1]] as Cut[]) {
          const validator = new Utf8Validator();
          for (const chunk of cutOctets(all, cut)) expect(validator.push(chunk, 0, chunk.length)).toBe(true);
          expect(validator.isComplete).toBe(false);
        }
      }
    },
  );

  it('reads the octets from start to end and nothing around them', () => {
    const validator = new Utf8Validator();
    expect(validator.push(fromHex('ff c3 a9 ff'), 1, 3)).toBe(true);
    expect(validator.isComplete).toBe(true);
    const long = Buffer.concat([fromHex('ff'), Buffer.alloc(100, 'a'), fromHex('c3 ff')]);
    expect(validator.push(long, 1, 102)).toBe(true);
    expect(validator.isComplete).toBe(false);
    expect(validator.push(fromHex('a9'), 0, 1)).toBe(true);
    expect(validator.isComplete).toBe(true);
  });

  it('starts anew after a reset, in any state', () => {
    for (const rest of ['c3', 'e0', 'ed', 'f0', 'f4', 'f4 8f', 'ff']) {
      const validator = new Utf8Validator();
      const start = fromHex(rest);
      validator.push(start, 0, start.length);
      validator.reset();
      expect(validator.isComplete).toBe(true);
      expect(refusedAtAfter(validator, '61 c2 80 ed 9f bf')).toBe(-1);
      validator.reset();
      expect(refusedAtAfter(validator, 'e2 82 41')).toBe(2);
    }
  });

  it('agrees with the platform on every sequence of up to three relevant octets, and of four', () => {
    const leads = [
      0x00, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1,
    ];
    const all = [...leads, 0xf3, 0xf4, 0xf5, 0xff];
    const others = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xff];
    const wrong: string[] = [];
    const sequence = Buffer.alloc(4);
    for (const first of all) {
      for (const second of others) {
        for (const third of others) {
          for (const fourth of others) {
            sequence.set([first, second, third, fourth]);
            for (let length = 1; length <= 4; length++) {
              const octets = sequence.subarray(0, length);
              if (validate(octets, 'whole') !== isUtf8(octets)) wrong.push(toHex(octets));
            }
          }
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  const characters = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }).map((text) => Buffer.from(text)),
    fc.string({ unit: 'binary-ascii', minLength: 40, maxLength: 60, size: 'max' }).map((text) => Buffer.from(text)),
    fc.constantFrom(...valid.map(([, text]) => fromHex(text))),
  );
  const nearlyText = fc
    .array(
      fc.oneof(
        { weight: 20, arbitrary: characters },
        { weight: 1, arbitrary: fc.constantFrom(...invalid.map(([, text]) => fromHex(text))) },
        { weight: 1, arbitrary: fc.uint8Array({ maxLength: 3 }) },
      ),
      { maxLength: 12 },
    )
    .map((parts) => Buffer.concat(parts));

  it('agrees with the platform on any octets, in any division', () => {
    const verdicts = { true: 0, false: 0 };
    fc.assert(
      fc.property(fc.oneof(nearlyText, fc.uint8Array({ maxLength: 8 })), cuts, (octets, cut) => {
        const expected = isUtf8(octets);
        verdicts[`${expected}`]++;
        expect(validate(octets, cut)).toBe(expected);
        expect(validate(octets, 'whole')).toBe(expected);
      }),
      { numRuns: 2000 },
    );
    expect(Math.min(verdicts.true, verdicts.false)).toBeGreaterThan(200);
  });

  it('refuses at the first octet after which no valid text can follow', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom(
            0x41,
            0x80,
            0x8f,
            0x90,
            0x9f,
            0xa0,
            0xbf,
            0xc1,
            0xc2,
            0xe0,
            0xe1,
            0xed,
            0xf0,
            0xf1,
            0xf4,
            0xf5,
          ),
          { maxLength: 8 },
        ),
        (list) => {
          const octets = Uint8Array.from(list);
          expect(refusedAt(octets)).toBe(firstBadOctet(octets));
        },
      ),
      { numRuns: 1000 },
    );
  });
});

function refusedAtAfter(validator: Utf8Validator, text: string): number {
  return [...fromHex(text)].findIndex((octet) => !validator.push(Uint8Array.of(octet), 0, 1));
}
