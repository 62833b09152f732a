import { describe, expect, test } from 'vitest';
import { PreparedMessage } from '../../src/message/prepared-message.ts';
import { isBlob, octetLength, type SendData, toOctets } from '../../src/message/send-data.ts';
import { fromHex, toHex } from '../support/hex.ts';

const memory = fromHex('00 01 02 03 04 05 06 07');
const view = new Uint8Array(memory.buffer, memory.byteOffset + 2, 3);

const rows: readonly [title: string, data: SendData, octets: string][] = [
  ['a string', 'é', 'c3 a9'],
  ['an empty string', '', ''],
  ['a lone surrogate', '\ud800', 'ef bf bd'],
  ['a Buffer', memory, '00 01 02 03 04 05 06 07'],
  ['a view', view, '02 03 04'],
  ['a DataView', new DataView(memory.buffer, memory.byteOffset + 1, 2), '01 02'],
  ['an array of wider numbers', new Uint16Array([0x0102]), '02 01'],
  ['an ArrayBuffer', Uint8Array.of(1, 2).buffer, '01 02'],
  ['an array', [1, 2, 258], '01 02 02'],
  ['a PreparedMessage', new PreparedMessage('ab'), '61 62'],
  ['undefined', undefined as unknown as string, ''],
  ['null', null as unknown as string, ''],
  ['false', false as unknown as string, ''],
];

describe.each(rows)('%s', (_title, data, octets) => {
  test('has these octets, and their number', () => {
    expect(toHex(toOctets(data))).toBe(octets);
    expect(octetLength(data)).toBe(fromHex(octets).length);
  });
});

test('octets are not copied if the data has memory', () => {
  expect(toOctets(view)).toBe(view);
  expect(toOctets(new DataView(memory.buffer, memory.byteOffset, 2)).buffer).toBe(memory.buffer);
});

test('data that Buffer.from does not accept is refused', () => {
  expect(() => toOctets({} as SendData)).toThrow(TypeError);
  expect(() => octetLength(Symbol('a') as unknown as SendData)).toThrow(TypeError);
});

describe('a Blob', () => {
  const foreign = (tag: string, more: object = {}) => ({
    [Symbol.toStringTag]: tag,
    arrayBuffer: () => Promise.resolve(new ArrayBuffer(0)),
    stream: () => null,
    type: '',
    size: 7,
    ...more,
  });

  test.each<[string, unknown, boolean]>([
    ['of Node', new Blob(['abc']), true],
    ['of another implementation', foreign('Blob'), true],
    ['is a File too', foreign('File'), true],
    ['is not any object with its functions', foreign('Response'), false],
    ['has a stream', foreign('Blob', { stream: undefined }), false],
    ['has an arrayBuffer', foreign('Blob', { arrayBuffer: 1 }), false],
    ['has a type', foreign('Blob', { type: 1 }), false],
    ['is not a view', new Uint8Array(1), false],
    ['is not null', null, false],
    ['is not a string', '[object Blob]', false],
  ])('%s', (_title, data, expected) => {
    expect(isBlob(data)).toBe(expected);
  });

  test('has its size as length', () => {
    expect(octetLength(new Blob(['é']))).toBe(2);
    expect(octetLength(foreign('Blob') as unknown as Blob)).toBe(7);
  });
});
