import { describe, expect, test } from 'vitest';
import { Connection } from '../../src/connection/connection.ts';
import { acceptDeflateOffer, deflateTerms } from '../../src/extension/deflate-negotiation.ts';
import { checkResponse } from '../../src/handshake/client-handshake.ts';
import { parseExtensions } from '../../src/handshake/extensions.ts';
import { hasToken } from '../../src/handshake/fields.ts';
import { allowOrigins } from '../../src/handshake/origin.ts';
import { readOffer } from '../../src/handshake/server-handshake.ts';
import { parseSubprotocols } from '../../src/handshake/subprotocols.ts';
import { naiveFrame } from '../support/octets.ts';
import { growth, maxGrowth } from './measure.ts';

const silent = { message() {}, ping() {}, pong() {}, closeReceived() {}, failure() {} };
const open = () => new Connection({ role: 'server' }, silent);

/** Ignores errors of a call. */
const attempt = (call: () => unknown): void => {
  try {
    call();
  } catch (error) {
    // Any error is accepted, because only the time is tested.
    expect(error).toBeInstanceOf(Error);
  }
};

const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const request = (headers: Record<string, string>) => ({
  method: 'GET',
  httpVersion: '1.1',
  headers: {
    host: 'a',
    upgrade: 'websocket',
    connection: 'upgrade',
    'sec-websocket-key': key,
    'sec-websocket-version': '13',
    ...headers,
  },
});

describe('eight times the input takes about eight times the work', () => {
  test.each<[number: string, what: string, size: number, work: (size: number) => void]>([
    [
      '5',
      'a frame octet by octet',
      20_000,
      (size) => {
        const octets = naiveFrame(0x81, Buffer.alloc(size, 0x61), 7);
        const connection = open();
        for (const octet of octets) connection.receive(Buffer.of(octet));
      },
    ],
    [
      '14',
      'a message in fragments of one octet',
      20_000,
      (size) => {
        const connection = open();
        connection.receive(naiveFrame(0x01, Buffer.from('a'), 7));
        const fragments = Buffer.concat(Array<Buffer>(size).fill(naiveFrame(0x00, Buffer.from('a'), 7)));
        connection.receive(fragments);
        connection.receive(naiveFrame(0x80, Buffer.from('a'), 7));
      },
    ],
    [
      '10',
      'empty fragments',
      20_000,
      (size) => {
        const connection = open();
        connection.receive(naiveFrame(0x01, Buffer.alloc(0), 7));
        connection.receive(Buffer.concat(Array<Buffer>(size).fill(naiveFrame(0x00, Buffer.alloc(0), 7))));
      },
    ],
    ['27', 'a quote that is not closed', 50_000, (size) => attempt(() => parseExtensions(`a; b="${'c'.repeat(size)}`))],
    ['27', 'escapes in a quote', 50_000, (size) => attempt(() => parseExtensions(`a; b="${'\\c'.repeat(size)}"`))],
    ['27', 'spaces', 50_000, (size) => attempt(() => parseExtensions(`a${' '.repeat(size)}`))],
    ['27', 'spaces between parameters', 20_000, (size) => attempt(() => parseExtensions(`a${' ; b'.repeat(size)}`))],
    ['27', 'parameters', 20_000, (size) => attempt(() => parseExtensions(`a${'; b=c'.repeat(size)}`))],
    [
      '23',
      'offers of compression',
      5000,
      (size) => {
        const offer = [['server_max_window_bits', '99']] as const;
        expect(acceptDeflateOffer(Array(size).fill(offer), deflateTerms())).toBe(null);
      },
    ],
    [
      '28',
      'subprotocols',
      10_000,
      (size) => attempt(() => parseSubprotocols(Array.from({ length: size }, (_, i) => `p${i}`).join(','))),
    ],
    ['28', 'spaces between subprotocols', 50_000, (size) => attempt(() => parseSubprotocols(`a${' '.repeat(size)}b`))],
    ['26', 'commas in Connection', 50_000, (size) => expect(hasToken(`${','.repeat(size)}`, 'upgrade')).toBe(false)],
    ['26', 'spaces in Connection', 50_000, (size) => expect(hasToken(`${' '.repeat(size)}x`, 'upgrade')).toBe(false)],
    [
      '26',
      'a request with long fields',
      20_000,
      (size) => attempt(() => readOffer(request({ 'sec-websocket-extensions': 'a;b,'.repeat(size) }))),
    ],
    [
      '32',
      'an origin',
      50_000,
      (size) => expect(allowOrigins(['https://a'])(`https://${'a'.repeat(size)}`)).toBe(false),
    ],
    [
      '33',
      'a response with a million fields',
      10_000,
      (size) => {
        const headers = Object.fromEntries(Array.from({ length: size }, (_, i) => [`x-${i}`, 'y']));
        attempt(() => checkResponse({ status: 101, headers }, { key }));
      },
    ],
  ])('case %s: %s', (_number, _what, size, work) => {
    expect(growth(work, size)).toBeLessThan(maxGrowth);
  });

  test('the measurement tells quadratic from linear time', () => {
    let sum = 0;
    const square = (size: number) => {
      for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) sum += i ^ j;
    };
    expect(growth(square, 700)).toBeGreaterThan(maxGrowth);
    expect(sum).not.toBe(0);
  });
});
