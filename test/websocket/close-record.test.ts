import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { CloseRecord } from '../../src/websocket/close-record.ts';

test('a close without a close frame is abnormal: code 1006, no reason', () => {
  expect(new CloseRecord()).toEqual({
    code: 1006,
    reason: Buffer.alloc(0),
    wasClean: false,
    hasErred: false,
    isPaused: false,
    lostOctets: 0,
    hasReceivedClose: false,
    hasSentClose: false,
    stream: null,
  });
});

test("the peer's close frame gives the code and the reason", () => {
  const record = new CloseRecord();
  record.receiveClose(4000, Buffer.from('enough'));
  expect(record).toMatchObject({ code: 4000, reason: Buffer.from('enough'), hasReceivedClose: true });
});

test('there is one error: the first', () => {
  const record = new CloseRecord();
  expect([record.recordError(), record.recordError(), record.hasErred]).toEqual([true, false, true]);
});

test('octets that will never be sent add up', () => {
  const record = new CloseRecord();
  record.addLost(3);
  record.streamClosed(false, 4, null);
  record.addLost(5);
  expect(record.lostOctets).toBe(12);
});

test('the end of the stream takes over what the transport had', () => {
  const record = new CloseRecord();
  const stream = new Duplex();
  record.streamClosed(true, 0, { stream, isPaused: true, hasSentClose: true });
  expect(record).toMatchObject({ wasClean: true, isPaused: true, hasSentClose: true });
  expect(record.stream).toBe(stream);
});
