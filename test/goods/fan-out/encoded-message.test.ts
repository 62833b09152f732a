import { expect, test } from 'vitest';
import { type Coding, EncodedMessage, plainCoding } from '../../../src/goods/fan-out/encoded-message.ts';

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('text becomes a text frame, and bytes a binary frame, unmasked and final', () => {
  expect(hexOf(new EncodedMessage('hi').plain)).toBe('81026869');
  expect(hexOf(new EncodedMessage('ä').plain)).toBe('8102c3a4');
  expect(hexOf(new EncodedMessage(Uint8Array.of(0xca, 0xfe)).plain)).toBe('8202cafe');
  expect(hexOf(new EncodedMessage('').plain)).toBe('8100');
});

test('the payload and its type can be read, and bytes are not copied', () => {
  const bytes = Uint8Array.of(1, 2);
  expect(new EncodedMessage(bytes)).toMatchObject({ isBinary: true, mayCompress: true });
  expect(new EncodedMessage(bytes).payload).toBe(bytes);
  const text = new EncodedMessage('hi', false);
  expect([text.isBinary, text.mayCompress, hexOf(text.payload)]).toEqual([false, false, '6869']);
});

test('the plain frame is encoded once, and the plain coding returns it', () => {
  const message = new EncodedMessage('hi');
  expect(message.plain).toBe(message.plain);
  expect(plainCoding.frame(message)).toBe(message.plain);
});

test('each coding encodes a message once, whatever other codings do', () => {
  const message = new EncodedMessage('hi');
  const calls: number[] = [];
  const coding = (name: number): Coding => ({
    frame: (one) =>
      one.in(codings[name]!, () => {
        calls.push(name);
        return Uint8Array.of(name);
      }),
  });
  const codings: Coding[] = [];
  codings.push(coding(0), coding(1));
  const frames = [0, 1, 0, 1].map((name) => codings[name]!.frame(message));
  expect(calls).toEqual([0, 1]);
  expect(frames.map(hexOf)).toEqual(['00', '01', '00', '01']);
  expect(frames[2]).toBe(frames[0]);
  expect(hexOf(message.plain)).toBe('81026869');
});
