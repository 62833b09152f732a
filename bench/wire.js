/** The octets that the load sends and expects: built here once, so that the measured window only writes and counts. */
import { createHash, randomFillSync } from 'node:crypto';

/** @typedef {'binary' | 'ascii' | 'multibyte'} Content */
/** @typedef {{ size: number, content: Content }} MessageShape `size` in octets */

const OPCODE = { ascii: 1, multibyte: 1, binary: 2 };

/** A handshake that every contestant accepts; the key is that of RFC 6455 §1.3. */
export const request = Buffer.from(
  [
    'GET / HTTP/1.1',
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    '\r\n',
  ].join('\r\n'),
);

/**
 * @param {string} key `Sec-WebSocket-Key` of the request
 * @returns {string} the answer of §4.2.2
 */
export function acceptance(key) {
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
}

/** A masked close frame with code 1000; the peer's answer to it is 4 octets shorter. */
export const closeFrame = Buffer.from('88 82 00 00 00 00 03 e8'.replaceAll(' ', ''), 'hex');

/** Octets of a masking key, by which a client's frame is longer than the server's. */
export const MASK_LENGTH = 4;

/**
 * @param {MessageShape} shape
 * @returns {Buffer} a payload of exactly `size` octets; text is valid UTF-8 that ends with a whole character
 */
export function payload({ size, content }) {
  if (content === 'binary') return randomFillSync(Buffer.alloc(size));
  // Two, three and four octets a character beside ASCII, as chat in several languages has.
  const sample =
    content === 'ascii' ? 'The quick brown fox jumps over it. ' : 'Grüße, Привет, 你好世界, こんにちは, 안녕 👋🏽 ok. ';
  const text = Buffer.from(sample.repeat(Math.ceil(size / Buffer.byteLength(sample))));
  let end = size;
  while ((text[end] & 0xc0) === 0x80) end--;
  return Buffer.concat([text.subarray(0, end), Buffer.alloc(size - end, '.')]);
}

/**
 * @param {MessageShape} shape
 * @returns {number} octets of the unmasked frame that carries it (§5.2)
 */
export function frameLength({ size }) {
  return size + (size < 126 ? 2 : size < 65536 ? 4 : 10);
}

/**
 * @param {MessageShape} shape
 * @param {{ count: number, masked: boolean }} options
 * @returns {Buffer} `count` frames one behind another, each with a key of its own when masked
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
 * @param {string} message of at most 125 octets of ASCII
 * @returns {Buffer} a masked text frame of it, with a key of zeros
 */
export function text(message) {
  const frame = Buffer.alloc(6 + message.length);
  frame[0] = 0x81;
  frame[1] = 0x80 | message.length;
  frame.write(message, 6, 'latin1');
  return frame;
}
