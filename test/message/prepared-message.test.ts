import { describe, expect, it } from 'vitest';
import { EndpointDeflate } from '../../src/extension/endpoint-deflate.ts';
import { PreparedMessage } from '../../src/message/prepared-message.ts';
import { toHex } from '../support/hex.ts';

const agreement = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};
const endpoint = (windowBits = 15) =>
  new EndpointDeflate('server', { agreement: { ...agreement, serverMaxWindowBits: windowBits } });

describe('a PreparedMessage', () => {
  it('is text for a string, binary for octets, or of the given type', () => {
    expect(toHex(new PreparedMessage('Hello').frame(null))).toBe('81 05 48 65 6c 6c 6f');
    expect(toHex(new PreparedMessage(Buffer.from('Hello')).frame(null))).toBe('82 05 48 65 6c 6c 6f');
    expect(toHex(new PreparedMessage('a', { binary: true }).frame(null))).toBe('82 01 61');
    expect(toHex(new PreparedMessage(new Uint8Array([0x61]), { binary: false }).frame(null))).toBe('81 01 61');
  });

  it('is not affected by later changes to the octets passed in', () => {
    const octets = Buffer.from('abc');
    const message = new PreparedMessage(octets);
    octets.fill('x');
    expect(toHex(message.frame(null))).toBe('82 03 61 62 63');
  });

  it('is encoded once, and compressed once for each variant', () => {
    const message = new PreparedMessage('Hello '.repeat(300));
    expect(message.frame(null)).toBe(message.frame(null));
    const compressed = message.frame(endpoint());
    expect([compressed[0], compressed.length < 40]).toEqual([0xc1, true]);
    expect(message.frame(endpoint())).toBe(compressed);
    expect(message.frame(endpoint(9))).not.toBe(compressed);
    expect([message.has(null), message.has(endpoint()), message.has(endpoint(10))]).toEqual([true, true, false]);
  });

  it('is sent uncompressed if compression does not shorten it', () => {
    const message = new PreparedMessage('Hi');
    expect(message.frame(endpoint())).toBe(message.frame(null));
  });

  it('accepts data that was compressed elsewhere', () => {
    const message = new PreparedMessage('Hello');
    const frame = message.keep(endpoint(), Buffer.from([1, 2, 3]));
    expect([toHex(frame), message.frame(endpoint()) === frame]).toEqual(['c1 03 01 02 03', true]);
  });

  it.each([5, null, undefined, {}, new ArrayBuffer(3)])('refuses %j', (data) => {
    expect(() => new PreparedMessage(data as never)).toThrow(TypeError);
  });
});
