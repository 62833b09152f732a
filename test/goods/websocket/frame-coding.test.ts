import { constants, inflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { EndpointDeflate } from '../../../src/extension/endpoint-deflate.ts';
import { EncodedMessage, plainCoding } from '../../../src/goods/fan-out/encoded-message.ts';
import { codingFor } from '../../../src/goods/websocket/frame-coding.ts';

const agreement = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
} as const;
const long = 'text '.repeat(1000);

test('a connection without compression, or with context takeover, has the plain coding', () => {
  expect(codingFor(null)).toBe(plainCoding);
  const own = new EndpointDeflate('server', { agreement: { ...agreement, serverNoContextTakeover: false } });
  expect(codingFor(own)).toBe(plainCoding);
});

test('connections with the same agreement share one coding, and so the compressed bytes', () => {
  const [one, other] = [1, 2].map(() => new EndpointDeflate('server', { agreement }));
  const coding = codingFor(one!);
  expect(codingFor(one!)).toBe(coding);
  expect(codingFor(other!)).not.toBe(coding);
  const message = new EncodedMessage(long);
  expect(coding.frame(message)).toBe(coding.frame(message));
  expect(codingFor(other!).frame(message)).not.toBe(coding.frame(message));
});

test('a compressed frame has the bit of the extension, and the same text', () => {
  const frame = codingFor(new EndpointDeflate('server', { agreement })).frame(new EncodedMessage(long));
  // FIN, RSV1 and the opcode of text; then a length of one octet.
  expect([frame[0], frame[1]]).toEqual([0xc1, frame.length - 2]);
  const inflated = inflateRawSync(Buffer.concat([frame.subarray(2), Buffer.from('0000ffff', 'hex')]), {
    finishFlush: constants.Z_SYNC_FLUSH,
  });
  expect(inflated.toString()).toBe(long);
});

test('a message that is short, or that must not be compressed, has the plain frame', () => {
  const coding = codingFor(new EndpointDeflate('server', { agreement }));
  for (const message of [new EncodedMessage('short'), new EncodedMessage(long, false)]) {
    expect(coding.frame(message)).toBe(message.plain);
  }
});
