import { readWire, soundFrame, type WireFrame, writeWire } from '../naive/frames.ts';
import type { Random } from '../random.ts';
import { maxLength, mutateOctets } from './octets.ts';

type Field = Omit<WireFrame, 'start' | 'end'>;

const lengths = [
  0n,
  1n,
  2n,
  125n,
  126n,
  127n,
  65_535n,
  65_536n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** Valid UTF-8, and below sequences that are invalid or incomplete. */
const texts = ['', 'Hello', 'κόσμε', '€', '𝄞', 'a\u0000b', '\ufeff', '\uffff'].map((text) => Buffer.from(text));
const notTexts = [
  '80',
  'c0 80',
  'c1 bf',
  'e0 80 80',
  'ed a0 80',
  'ed bf bf',
  'f0 80 80 80',
  'f4 90 80 80',
  'f5',
  'ff',
  'e2 82',
  'f0 9d 84',
].map((hex) => Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const codes = [0, 999, 1000, 1003, 1004, 1005, 1006, 1007, 1011, 1014, 1015, 1016, 2999, 3000, 4999, 5000, 65_535];
const firsts = [0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x88, 0x89, 0x8a, 0xc1, 0xc2, 0x41];

function freshPayload(random: Random, opcode: number): Buffer {
  if (opcode === 8 && !random.oneIn(4)) {
    const code = Buffer.alloc(2);
    code.writeUInt16BE(random.pick(codes));
    return Buffer.concat([code, random.pick(random.oneIn(4) ? notTexts : texts)]);
  }
  switch (random.below(6)) {
    case 0:
      return random.pick(texts);
    case 1:
      return random.pick(notTexts);
    case 2:
      return random.octets(random.below(20));
    case 3:
      return Buffer.alloc(random.pick([0, 1, 2, 124, 125, 126, 127, 200]), 0x61);
    case 4:
      return Buffer.alloc(random.oneIn(10) ? random.pick([65_535, 65_536]) : random.below(1200), 0x62);
    default:
      return Buffer.concat([random.pick(texts), random.pick(texts)]);
  }
}

function freshFrame(random: Random, isMasked: boolean): Field {
  const first = random.oneIn(12) ? random.below(256) : random.pick(firsts);
  return soundFrame(first, freshPayload(random, first % 16), isMasked ? random.next() : null);
}

/** Returns the frame with one field changed. */
function changeField(random: Random, frame: Field): Field {
  const remade = (payload: Buffer) => soundFrame(frame.first, payload, frame.isMasked ? frame.key : null);
  switch (random.below(9)) {
    case 0:
      return { ...frame, first: frame.first ^ (1 << random.between(4, 7)) };
    case 1:
      return { ...frame, first: (frame.first & 0xf0) | random.pick([0, 1, 2, 8, 9, 10, random.below(16)]) };
    case 2:
      return random.oneIn(4)
        ? { ...frame, isMasked: !frame.isMasked }
        : { ...frame, key: random.pick([0, 1, -1, random.next()]) };
    case 3: {
      const form = random.pick([7, 16, 64] as const);
      return { ...frame, form };
    }
    case 4:
      return { ...frame, form: 64, length: random.pick(lengths) };
    case 5:
      return { ...frame, length: frame.length + BigInt(random.between(-1, 1)) };
    case 6:
      return remade(freshPayload(random, frame.first % 16));
    case 7:
      return remade(mutateOctets(random, frame.payload, frame.payload));
    default:
      return remade(Buffer.concat([frame.payload, freshPayload(random, 1)]).subarray(0, maxLength));
  }
}

/** Returns the frame as two fragments. */
function split(random: Random, frame: Field): Field[] {
  const at = random.below(frame.payload.length + 1);
  const key = () => (frame.isMasked ? random.next() : null);
  return [
    soundFrame(frame.first & 0x7f, frame.payload.subarray(0, at), key()),
    soundFrame(frame.first & 0x80, frame.payload.subarray(at), key()),
  ];
}

function changeFrames(random: Random, frames: readonly Field[], others: readonly Field[]): Field[] {
  const changed = [...frames];
  const at = random.below(changed.length + 1);
  const isMasked = frames[0]?.isMasked ?? random.oneIn(2);
  const there = changed[Math.min(at, changed.length - 1)];
  if (there === undefined) return [freshFrame(random, isMasked)];
  const index = changed.indexOf(there);
  switch (random.below(9)) {
    case 0:
      changed.splice(index, 1);
      break;
    case 1:
      changed.splice(at, 0, ...Array<Field>(random.oneIn(10) ? random.below(60) : 1).fill(there));
      break;
    case 2:
      changed.splice(at, 0, freshFrame(random, isMasked));
      break;
    case 3:
      changed.splice(index, 1, ...split(random, there));
      break;
    case 4:
      changed.splice(random.below(changed.length), 0, ...changed.splice(index, 1));
      break;
    case 5:
      if (others.length > 0) changed.splice(at, 0, { ...random.pick(others), isMasked });
      break;
    case 6:
      changed.length = at;
      break;
    default:
      changed[index] = changeField(random, there);
  }
  return changed;
}

/** Changes a stream of frames: its frames, a field of one frame, or its bytes. */
export function mutateFrames(random: Random, octets: Buffer, other: Buffer): Buffer {
  if (random.oneIn(5)) return mutateOctets(random, octets, other);
  const { frames, rest } = readWire(octets);
  const { frames: others } = readWire(other);
  const changed = changeFrames(random, frames, others).map(writeWire);
  return Buffer.concat(rest.length > 0 && random.oneIn(4) ? [...changed, rest] : changed).subarray(0, maxLength);
}
