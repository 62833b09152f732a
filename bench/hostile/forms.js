/**
 * Forms of hostile compressed input. Each is what one peer writes again and again: valid frames, masked with zeros.
 *
 * @typedef {object} Form
 * @property {string} id for `--forms`
 * @property {string} title first column of the table in docs/security.md
 * @property {import('../wire.js').Context} [context] default none
 * @property {number} [windowBits] of the client; default 15
 * @property {number} [connections] number of connections that send it; default 4
 * @property {boolean} [isLost] true if most of it lies behind a final block: `ws` loses that
 * @property {boolean} [ends] true if the server closes the connection behind it
 * @property {() => Buffer} octets
 */
import { constants, deflateRawSync } from 'node:zlib';

/** Appends bits, the lowest first, as DEFLATE does (RFC 1951 §3.1.1). */
class BitWriter {
  /** @type {number[]} */
  #octets = [];
  #bits = 0;

  /**
   * @param {number} value
   * @param {number} count number of bits
   */
  add(value, count) {
    for (let i = 0; i < count; i++, this.#bits++) {
      if (this.#bits % 8 === 0) this.#octets.push(0);
      this.#octets[this.#octets.length - 1] |= ((value >> i) & 1) << (this.#bits % 8);
    }
  }

  /**
   * Appends a Huffman code, the highest bit first.
   * @param {number} code
   * @param {number} count
   */
  code(code, count) {
    for (let i = count - 1; i >= 0; i--) this.add((code >> i) & 1, 1);
  }

  /** Ends a message: the header of an empty stored block, whose lengths are left out (RFC 7692 §7.2.1). */
  end() {
    this.add(0, 3);
    return Buffer.from(this.#octets);
  }
}

/**
 * @param {Uint8Array | string} data
 * @param {object} [options]
 */
const deflated = (data, options) =>
  deflateRawSync(data, { level: 9, ...options, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);

/**
 * Returns a frame of a client whose masking key is zero.
 * @param {number} first first octet: FIN, RSV1 and opcode
 * @param {Uint8Array} payload
 */
function frame(first, payload) {
  const { length } = payload;
  const headLength = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const octets = Buffer.alloc(headLength + 4 + length);
  octets[0] = first;
  octets[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (headLength === 4) octets.writeUInt16BE(length, 2);
  if (headLength === 10) octets.writeBigUInt64BE(BigInt(length), 2);
  octets.set(payload, headLength + 4);
  return octets;
}

const BINARY = 0xc2;
const TEXT = 0xc1;

/** @param {Uint8Array} payload */
const binary = (payload) => frame(BINARY, payload);

/**
 * Returns a binary message in fragments.
 * @param {Buffer} payload
 * @param {number} size of a fragment
 */
function fragments(payload, size) {
  const frames = [];
  for (let at = 0; at < payload.length; at += size)
    frames.push(frame(at === 0 ? 0x42 : 0, payload.subarray(at, at + size)));
  return Buffer.concat([...frames, frame(0x80, Buffer.alloc(0))]);
}

/**
 * @param {Buffer} octets
 * @param {number} count
 */
const times = (octets, count) => Buffer.concat(Array(count).fill(octets));

/** @param {number} length */
const zeros = (length) => deflated(Buffer.alloc(length));

/** @param {number} count number of stored blocks of no octets */
const storedBlocks = (count) => Buffer.concat([times(Buffer.of(0, 0, 0, 0xff, 0xff), count), Buffer.of(0)]);

/** @param {number} count number of blocks with fixed codes and no octets */
function fixedBlocks(count) {
  const bits = new BitWriter();
  for (let i = 0; i < count; i++) bits.add(0b0000000_01_0, 10);
  return bits.end();
}

/**
 * Returns blocks whose tables have all 286 + 30 codes, described as shortly as possible, with `literals` symbols each.
 * @param {number} count
 * @param {number} literals
 */
function dynamicBlocks(count, literals) {
  const lengths = [...Array(226).fill(8), ...Array(60).fill(9), 4, 4, ...Array(28).fill(5)];
  // Codes of the code lengths: 4, 5, 8 and 9 with three bits, 16 ("repeat") with one.
  const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
  /** @type {Readonly<Record<number, readonly [code: number, bits: number]>>} */
  const codes = { 16: [0, 1], 4: [0b100, 3], 5: [0b101, 3], 8: [0b110, 3], 9: [0b111, 3] };
  const bits = new BitWriter();
  for (let i = 0; i < count; i++) {
    bits.add(0b10_0, 3);
    bits.add(286 - 257, 5);
    bits.add(30 - 1, 5);
    bits.add(12 - 4, 4);
    for (const symbol of order.slice(0, 12)) bits.add(codes[symbol]?.[1] ?? 0, 3);
    for (let at = 0; at < lengths.length; ) {
      bits.code(...codes[lengths[at]]);
      let same = 1;
      while (at + same < lengths.length && lengths[at + same] === lengths[at]) same++;
      at++;
      for (let left = same - 1; left >= 3; ) {
        const repeat = Math.min(6, left);
        bits.code(...codes[16]);
        bits.add(repeat - 3, 2);
        left -= repeat;
        at += repeat;
      }
    }
    for (let literal = 0; literal < literals; literal++) bits.code(0, 8);
    // The end of a block, 256, is the 31st code of nine bits, behind 226 of eight.
    bits.code(226 * 2 + 30, 9);
  }
  return bits.end();
}

/** @param {number} count number of final blocks with one octet each */
const finalBlocks = (count) => times(Buffer.of(0x4b, 0x04, 0x00), count);

/** Text whose characters take two to four bytes. */
const multibyte = 'Grüße, Привет, 你好世界, 👋🏽 '.repeat(1000);

/** Text that zlib makes hardly shorter. */
const random = (/** @type {number} */ length) => {
  const octets = Buffer.alloc(length);
  for (let i = 0, state = 1; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    octets[i] = state >>> 16;
  }
  return octets;
};

/** The end of a flush, and a block of no valid type. */
const invalid = Buffer.of(0, 0, 0xff, 0xff, 0xff);
const mebibyte = 1_048_576;

/** @type {readonly Form[]} */
export const forms = [
  { id: 'bomb', title: 'a message of 99 MiB of zeros', octets: () => binary(zeros(99 * mebibyte)) },
  {
    id: 'bomb-fragments',
    title: 'the same in fragments of 1 KiB',
    octets: () => fragments(zeros(99 * mebibyte), 1024),
  },
  {
    id: 'bomb-too-long',
    title: 'a message of 101 MiB of zeros, which `maxPayload` refuses',
    octets: () => binary(zeros(101 * mebibyte)),
    ends: true,
  },
  {
    id: 'bomb-text',
    title: 'a text of 99 MiB of one letter',
    octets: () => frame(TEXT, deflated(Buffer.alloc(99 * mebibyte, 'a'))),
  },
  {
    id: 'bomb-window-8',
    title: 'a message of 20 MiB of zeros, with a window of 256 bytes',
    windowBits: 8,
    octets: () => binary(deflated(Buffer.alloc(20 * mebibyte), { windowBits: 9 })),
  },
  { id: 'bombs-4m', title: 'messages of 4 MiB of zeros', octets: () => times(binary(zeros(4 * mebibyte)), 10) },
  {
    id: 'bombs-4m-100',
    title: 'the same on 100 connections',
    connections: 100,
    octets: () => binary(zeros(4 * mebibyte)),
  },
  { id: 'bombs-257k', title: 'messages of 257 KiB of zeros', octets: () => times(binary(zeros(263_168)), 50) },
  {
    id: 'bombs-fragments',
    title: 'messages of 514 KiB of zeros in two fragments',
    octets: () => times(fragments(zeros(526_336), Math.ceil(zeros(526_336).length / 2)), 50),
  },
  { id: 'bombs-256k', title: 'messages of 256 KiB of zeros', octets: () => times(binary(zeros(262_144)), 50) },
  { id: 'bombs-16k', title: 'messages of 16 KiB of zeros', octets: () => times(binary(zeros(16_384)), 500) },
  { id: 'bombs-1k', title: 'messages of 1 KiB of zeros', octets: () => times(binary(zeros(1024)), 2000) },
  {
    id: 'bombs-1k-100',
    title: 'the same on 100 connections',
    connections: 100,
    octets: () => times(binary(zeros(1024)), 50),
  },
  {
    id: 'text-multibyte',
    title: 'texts of 45 KB in characters of two to four bytes',
    octets: () => times(frame(TEXT, deflated(multibyte)), 200),
  },
  {
    id: 'random',
    title: 'messages of 64 KiB that cannot be compressed',
    octets: () => times(binary(deflated(random(65_536))), 20),
  },
  {
    id: 'random-fragments',
    title: 'a message of 8 KiB that cannot be compressed, in fragments of one byte',
    octets: () => fragments(deflated(random(8192)), 1),
  },
  {
    id: 'bomb-bytes',
    title: 'a message of 4 MiB of zeros in fragments of one byte',
    octets: () => fragments(zeros(4 * mebibyte), 1),
  },
  {
    id: 'two-fragments',
    title: 'messages of one byte in three fragments',
    octets: () => times(fragments(deflated('a'), 2), 500),
  },
  { id: 'nothing', title: 'messages without a byte', octets: () => times(binary(Buffer.alloc(0)), 5000) },
  { id: 'empty', title: 'empty messages of one byte', octets: () => times(binary(Buffer.of(0)), 5000) },
  { id: 'one', title: 'messages of one byte', octets: () => times(binary(deflated('a')), 5000) },
  {
    id: 'one-takeover',
    title: 'the same with context takeover',
    context: 'takeover',
    octets: () => times(binary(deflated('a')), 5000),
  },
  {
    id: 'two-fragments-takeover',
    title: 'messages of one byte in three fragments, with context takeover and a full window',
    context: 'takeover',
    octets: () => Buffer.concat([binary(zeros(65_536)), times(fragments(deflated('a'), 2), 500)]),
  },
  {
    id: 'bombs-257k-takeover',
    title: 'messages of 257 KiB of zeros, with context takeover',
    context: 'takeover',
    octets: () => times(binary(zeros(263_168)), 50),
  },
  {
    id: 'bombs-1k-takeover',
    title: 'messages of 1 KiB of zeros, with context takeover',
    context: 'takeover',
    octets: () => times(binary(zeros(1024)), 2000),
  },
  {
    id: 'final-2',
    isLost: true,
    title: 'messages of two final blocks',
    octets: () => times(binary(finalBlocks(2)), 2000),
  },
  {
    id: 'final-1024',
    isLost: true,
    title: 'messages of 1024 final blocks',
    octets: () => times(binary(finalBlocks(1024)), 20),
  },
  {
    id: 'final-empty',
    isLost: true,
    title: 'messages of 1024 empty final blocks',
    octets: () => times(binary(times(Buffer.of(0x03, 0x00), 1024)), 20),
  },
  {
    id: 'final-takeover',
    isLost: true,
    title: 'messages of 1024 final blocks, with context takeover',
    context: 'takeover',
    octets: () => times(binary(finalBlocks(1024)), 20),
  },
  {
    id: 'final-large',
    isLost: true,
    title: 'messages of 1024 final blocks behind 300 KiB of zeros',
    octets: () => times(binary(Buffer.concat([deflateRawSync(Buffer.alloc(307_200)), finalBlocks(1023)])), 10),
  },
  {
    id: 'final-66k',
    title: 'messages of 1024 final blocks of 66 KiB',
    isLost: true,
    octets: () => binary(times(deflateRawSync(Buffer.alloc(67_584), { level: 9 }), 1024)),
  },
  {
    id: 'final-bomb',
    title: 'a message of 99 MiB of zeros behind a final block',
    isLost: true,
    octets: () => binary(Buffer.concat([Buffer.of(0x03, 0x00), zeros(99 * mebibyte)])),
  },
  {
    id: 'stored',
    title: 'messages of 10 000 stored blocks without a byte',
    octets: () => times(binary(storedBlocks(10_000)), 20),
  },
  {
    id: 'stored-large',
    title: 'messages of 1 MB of stored blocks without a byte',
    octets: () => binary(storedBlocks(200_000)),
  },
  {
    id: 'fixed',
    title: 'messages of 10 000 blocks with fixed codes and no byte',
    octets: () => times(binary(fixedBlocks(10_000)), 20),
  },
  {
    id: 'dynamic',
    title: 'messages of 1000 blocks with tables of 316 codes and no byte',
    octets: () => times(binary(dynamicBlocks(1000, 0)), 5),
  },
  {
    id: 'dynamic-one',
    title: 'messages of 1000 blocks with tables of 316 codes and one byte',
    octets: () => times(binary(dynamicBlocks(1000, 1)), 5),
  },
  {
    id: 'dynamic-large',
    title: 'messages of 10 000 blocks with tables of 316 codes and one byte',
    octets: () => binary(dynamicBlocks(10_000, 1)),
  },
  {
    id: 'dynamic-short',
    title: 'messages of one block with tables of 316 codes and one byte',
    octets: () => times(binary(dynamicBlocks(1, 1)), 1000),
  },
  { id: 'invalid', title: 'invalid DEFLATE', connections: 100, octets: () => binary(Buffer.of(0xff)), ends: true },
  {
    id: 'invalid-end',
    title: 'invalid DEFLATE behind 256 KiB of zeros',
    connections: 100,
    octets: () => binary(Buffer.concat([zeros(262_144), invalid])),
    ends: true,
  },
  {
    id: 'invalid-end-large',
    title: 'invalid DEFLATE behind 20 MiB of zeros',
    octets: () => binary(Buffer.concat([zeros(20 * mebibyte), invalid])),
    ends: true,
  },
  {
    id: 'invalid-text',
    title: 'a text of 20 MiB whose last byte is not UTF-8',
    octets: () => frame(TEXT, deflated(Buffer.concat([Buffer.alloc(20 * mebibyte, 'a'), Buffer.of(0xff)]))),
    ends: true,
  },
];
