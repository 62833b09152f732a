import { expect, test } from 'vitest';
import { Recorder } from '../../../autobahn/session/recorder.ts';

const frame = (payload: Buffer, opcode = 1) => ({ opcode, payload, fin: true, rsv: 0, mask: null });

test('keeps the beginning and the end of a long log, in order, with a remark between them', () => {
  const recorder = new Recorder(() => 0);
  for (let index = 0; index < 1000; index++) recorder.frameReceived(frame(Buffer.from(String(index))));
  const texts = recorder.trace.map((entry) => entry.text);
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => String(from + index));
  expect(texts).toEqual([...numbers(0, 128), '744 entries omitted', ...numbers(872, 1000)]);
  expect(recorder.traceOmitted).toBe(744);
  expect(recorder.wireLog).toHaveLength(257);
  expect(recorder.rxFrameStats).toEqual({ 1: 1000 });
});

test.each([127, 128, 129, 255, 256])('omits none of %i entries', (count) => {
  const recorder = new Recorder(() => 0);
  for (let index = 0; index < count; index++) recorder.remark('note', null, String(index));
  expect(recorder.trace.map(({ text }) => Number(text))).toEqual(Array.from({ length: count }, (_, index) => index));
});

test('shows payloads as text if they are valid, otherwise in hex, as they were at receipt', () => {
  const recorder = new Recorder(() => 0);
  const payload = Buffer.from('abc');
  recorder.frameReceived(frame(payload));
  payload.fill(0);
  recorder.frameReceived(frame(Buffer.from([0xff, 0])));
  recorder.frameTransmitted(frame(Buffer.from('Ö'.repeat(40))), null, false);
  recorder.frameTransmitted(frame(Buffer.from(`${'x'.repeat(63)}Ö`)), null, false);
  expect(recorder.wireLog.map((entry) => entry[1])).toEqual([
    [3, 'abc'],
    [2, 'ff00'],
    [80, `${'Ö'.repeat(32)} ...`],
    [65, `${'x'.repeat(63)} ...`],
  ]);
  expect(recorder.trace.map((entry) => entry.text)).toEqual(['abc', null, 'Ö'.repeat(32), 'x'.repeat(63)]);
});

test('logs at most 64 octets in hex, and counts pieces by size', () => {
  const recorder = new Recorder(() => 0);
  recorder.received(Buffer.from('8105', 'hex'));
  recorder.received(Buffer.alloc(65));
  recorder.transmitted(Buffer.from('8900', 'hex'), true);
  expect(recorder.wireLog).toEqual([
    ['RO', [2, '8105']],
    ['RO', [65, `${'00'.repeat(64)} ...`]],
    ['TO', [2, '8900'], true],
  ]);
  expect([recorder.rxOctetStats, recorder.txOctetStats]).toEqual([{ 2: 1, 65: 1 }, { 2: 1 }]);
  expect(recorder.trafficStats).toMatchObject({ incomingOctetsWireLevel: 67, outgoingOctetsWireLevel: 2 });
});

test('logs close frames with code and reason, and entries with the time', () => {
  let now = 1000;
  const recorder = new Recorder(() => now);
  now += 12.3456;
  recorder.frameReceived(frame(Buffer.from('03e8627965', 'hex'), 8));
  now += 100;
  expect(recorder.trace).toMatchObject([{ at: 12.346, closeCode: 1000, closeReason: 'bye', hex: '03e8627965' }]);
  expect(recorder.elapsed).toBeCloseTo(112.3456);
});

test('logs compressed messages with the octets before and after inflating', () => {
  const recorder = new Recorder(() => 0);
  recorder.message('out', 100);
  recorder.frameTransmitted({ ...frame(Buffer.alloc(25)), rsv: 4 }, null, false);
  expect(recorder.trafficStats).toMatchObject({ outgoingCompressionRatio: 0.25, incomingCompressionRatio: null });
});
