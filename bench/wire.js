/**
 * Bytes that the load sends and expects. They are built in advance, so that the measured window only writes and counts.
 */
import { createHash, randomFillSync } from 'node:crypto';
import { constants, createDeflateRaw } from 'node:zlib';

/** @typedef {'none' | 'takeover'} Context whether compressed messages may refer to those before them */
/** @typedef {'binary' | 'ascii' | 'multibyte' | 'ping'} Content */
/** @typedef {{ size: number, content: Content }} MessageShape `size` in octets */

const OPCODE = { ascii: 1, multibyte: 1, binary: 2, ping: 9 };

const requestLines = [
  'GET / HTTP/1.1',
  'Host: 127.0.0.1',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];

/** Handshake that every contestant accepts; the key is that of RFC 6455 §1.3. */
export const request = Buffer.from([...requestLines, '\r\n'].join('\r\n'));

/** The same handshake with an offer of permessage-deflate without parameters. */
export const deflateRequest = Buffer.from(
  [...requestLines, 'Sec-WebSocket-Extensions: permessage-deflate', '\r\n'].join('\r\n'),
);

/**
 * Returns the option `perMessageDeflate` of the compressed rows, which is the same for every contestant. All messages
 * are compressed, with zlib's level 6 for all sizes: the default of ws.
 * @param {Context} context
 * @param {'default'} [level] use each library's own level
 */
export function deflateOption(context, level) {
  const takesOver = context === 'takeover';
  return {
    serverNoContextTakeover: !takesOver,
    clientNoContextTakeover: !takesOver,
    threshold: 0,
    ...(level === undefined && { zlibDeflateOptions: { level: 6 } }),
  };
}

/**
 * Returns JSON-like text, the same in each run.
 * @param {number} size in bytes
 * @param {number} seed
 */
export function jsonText(size, seed) {
  let state = seed + 1;
  const random = (/** @type {number} */ below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  const names = ['Ada', 'Grace', 'Edsger', 'Barbara', 'Donald', 'Leslie', 'Tony', 'Frances'];
  let text = '';
  while (text.length < size)
    text += `{"id":${random(1e6)},"name":"${names[random(8)]}","price":${random(1e5) / 100},"active":${random(2) > 0},"tags":["t${random(50)}","t${random(50)}"]},`;
  return Buffer.from(text.slice(0, size));
}

/**
 * Compresses messages one after the other (RFC 7692 §7.2.1).
 * @param {readonly Buffer[]} messages
 * @param {Context} context
 * @returns {Promise<Buffer[]>}
 */
export async function deflateAll(messages, context) {
  const stream = createDeflateRaw();
  /** @type {Buffer[]} */
  let chunks = [];
  stream.on('data', (chunk) => chunks.push(chunk));
  /** @type {Buffer[]} */
  const all = [];
  for (const message of messages) {
    chunks = [];
    stream.write(message);
    await /** @type {Promise<void>} */ (new Promise((resolve) => stream.flush(constants.Z_SYNC_FLUSH, resolve)));
    all.push(Buffer.concat(chunks).subarray(0, -4));
    if (context === 'none') stream.reset();
  }
  stream.close();
  return all;
}

/** Counts complete unmasked frames, in chunks of any size. */
export class FrameCounter {
  #header = Buffer.alloc(10);
  #held = 0;
  /** Number of payload bytes still missing; -1 within a header. */
  #left = -1;

  /**
   * @param {Buffer} octets
   * @param {number} length number of valid bytes in `octets`
   */
  count(octets, length) {
    let frames = 0;
    for (let at = 0; at < length; ) {
      if (this.#left < 0) {
        this.#header[this.#held++] = octets[at++];
        this.#readHeader();
      } else {
        const take = Math.min(this.#left, length - at);
        this.#left -= take;
        at += take;
      }
      if (this.#left !== 0) continue;
      this.#left = -1;
      frames++;
    }
    return frames;
  }

  #readHeader() {
    if (this.#held < 2) return;
    const short = this.#header[1];
    const needed = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (this.#held < needed) return;
    this.#left = needed === 2 ? short : needed === 4 ? this.#header.readUInt16BE(2) : this.#header.readUIntBE(4, 6);
    this.#held = 0;
  }
}

/**
 * Returns a masked text frame with RSV1.
 * @param {Uint8Array} data
 */
export function compressedFrame(data) {
  const { length } = data;
  const headLength = frameLength({ size: length });
  const frame = Buffer.alloc(headLength + MASK_LENGTH);
  const at = headLength - length;
  frame[0] = 0xc1;
  frame[1] = 0x80 | (length < 126 ? length : length < 65536 ? 126 : 127);
  if (length >= 65536) frame.writeBigUInt64BE(BigInt(length), 2);
  else if (length >= 126) frame.writeUInt16BE(length, 2);
  const key = randomFillSync(frame.subarray(at, at + MASK_LENGTH));
  for (let i = 0; i < length; i++) frame[at + MASK_LENGTH + i] = data[i] ^ key[i & 3];
  return frame;
}

/**
 * @param {string} key `Sec-WebSocket-Key` of the request
 * @returns {string} the response of §4.2.2
 */
export function acceptance(key) {
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
}

/** Masked close frame with code 1000. The peer's answer is 4 bytes shorter. */
export const closeFrame = Buffer.from('88 82 00 00 00 00 03 e8'.replaceAll(' ', ''), 'hex');

/** Length of a masking key in bytes, by which a client's frame is longer than a server's. */
export const MASK_LENGTH = 4;

/**
 * @param {MessageShape} shape
 * @returns {Buffer} a payload of exactly `size` bytes; text is valid UTF-8 without a partial character
 */
export function payload({ size, content }) {
  if (content === 'binary' || content === 'ping') return randomFillSync(Buffer.alloc(size));
  // Characters of two, three and four bytes beside ASCII, as in a multilingual chat.
  const sample =
    content === 'ascii' ? 'The quick brown fox jumps over it. ' : 'Grüße, Привет, 你好世界, こんにちは, 안녕 👋🏽 ok. ';
  const text = Buffer.from(sample.repeat(Math.ceil(size / Buffer.byteLength(sample))));
  let end = size;
  while ((text[end] & 0xc0) === 0x80) end--;
  return Buffer.concat([text.subarray(0, end), Buffer.alloc(size - end, '.')]);
}

/**
 * @param {{ size: number, content?: Content }} shape
 * @returns {number} length in bytes of the unmasked frame (§5.2)
 */
export function frameLength({ size }) {
  return size + (size < 126 ? 2 : size < 65536 ? 4 : 10);
}

/**
 * @param {MessageShape} shape
 * @param {{ count: number, masked: boolean }} options
 * @returns {Buffer} `count` frames one behind another, each with its own key if masked
 */
export function frames(shape, { count, masked }) {
  const data = payload(shape);
  const { length } = data;
  const plain = frameLength(shape);
  const headLength = plain - length;
  const one = plain + (masked ? MASK_LENGTH : 0);
  const all = Buffer.alloc(one * count);
  const key = Buffer.alloc(MASK_LENGTH);
  for (let at = 0; at < all.length; at += one) {
    all[at] = 0x80 | OPCODE[shape.content];
    if (length < 126) all[at + 1] = length;
    else if (length < 65536) all.writeUInt16BE(length, at + 2);
    else all.writeBigUInt64BE(BigInt(length), at + 2);
    if (length >= 126) all[at + 1] = length < 65536 ? 126 : 127;
    if (masked) {
      all[at + 1] |= 0x80;
      randomFillSync(key).copy(all, at + headLength);
    }
    const from = at + one - length;
    for (let i = 0; i < length; i++) all[from + i] = masked ? data[i] ^ key[i & 3] : data[i];
  }
  return all;
}

/**
 * @param {string} message at most 125 characters of ASCII
 * @returns {Buffer} a masked text frame with a key of zeros
 */
export function text(message) {
  const frame = Buffer.alloc(6 + message.length);
  frame[0] = 0x81;
  frame[1] = 0x80 | message.length;
  frame.write(message, 6, 'latin1');
  return frame;
}
