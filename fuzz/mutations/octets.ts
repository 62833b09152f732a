import type { Random } from '../random.ts';

const interesting = [
  0x00, 0x01, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a, 0xc1, 0xfe, 0xff, 0x0a, 0x0d, 0x22, 0x2c, 0x3b,
  0x3d, 0x5c,
];

/** Maximum length of a mutated case in bytes. */
export const maxLength = 70_000;

type Mutation = (random: Random, octets: Buffer) => Buffer;

const at = (random: Random, octets: Buffer): number => random.below(octets.length + 1);

/** Returns a part of the bytes, usually a short one. */
function part(random: Random, octets: Buffer): [from: number, to: number] {
  const from = at(random, octets);
  const length = random.oneIn(4) ? random.below(octets.length - from + 1) : random.below(9);
  return [from, Math.min(octets.length, from + length)];
}

const mutations: readonly Mutation[] = [
  function flipBit(random, octets) {
    const changed = Buffer.from(octets);
    if (changed.length > 0) changed[random.below(changed.length)]! ^= 1 << random.below(8);
    return changed;
  },
  function setOctet(random, octets) {
    const changed = Buffer.from(octets);
    if (changed.length > 0)
      changed[random.below(changed.length)] = random.oneIn(2) ? random.pick(interesting) : random.next();
    return changed;
  },
  function insert(random, octets) {
    const index = at(random, octets);
    const more = random.oneIn(2)
      ? random.octets(random.between(1, 8))
      : Buffer.alloc(random.between(1, 20), random.pick(interesting));
    return Buffer.concat([octets.subarray(0, index), more, octets.subarray(index)]);
  },
  function remove(random, octets) {
    const [from, to] = part(random, octets);
    return Buffer.concat([octets.subarray(0, from), octets.subarray(to)]);
  },
  function repeat(random, octets) {
    const [from, to] = part(random, octets);
    const copies = Array<Buffer>(random.between(1, 3)).fill(octets.subarray(from, to));
    return Buffer.concat([octets.subarray(0, to), ...copies, octets.subarray(to)]);
  },
  function move(random, octets) {
    const [from, to] = part(random, octets);
    const rest = Buffer.concat([octets.subarray(0, from), octets.subarray(to)]);
    const index = at(random, rest);
    return Buffer.concat([rest.subarray(0, index), octets.subarray(from, to), rest.subarray(index)]);
  },
  function truncate(random, octets) {
    return octets.subarray(0, at(random, octets));
  },
];

/** Changes bytes without regard to their meaning. */
export function mutateOctets(random: Random, octets: Buffer, other: Buffer): Buffer {
  const changed = random.oneIn(8)
    ? Buffer.concat([octets.subarray(0, at(random, octets)), other.subarray(at(random, other))])
    : random.pick(mutations)(random, octets);
  return changed.subarray(0, maxLength);
}

/** Returns another split of the bytes: none, single bytes, or chunks of any length including empty ones. */
export function mutateCut(random: Random, length: number): number[] {
  switch (random.below(5)) {
    case 0:
      return [];
    case 1:
      return Array<number>(Math.min(length, 2000)).fill(1);
    case 2:
      return [random.below(length + 1)];
    default: {
      const max = random.pick([2, 9, 40, 400]);
      return Array.from({ length: random.between(1, 40) }, () => random.below(max));
    }
  }
}
