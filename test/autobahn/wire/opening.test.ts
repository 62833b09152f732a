import { describe, expect, test } from 'vitest';
import { acceptFor, headLength, maxHeadLength, OpeningError } from '../../../autobahn/wire/http-head.ts';
import {
  checkRequest,
  checkResponse,
  openingRequest,
  openingResponse,
  refusal,
} from '../../../autobahn/wire/opening.ts';

const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const request = { text: '', key };
const lines = (...list: string[]): string => `${list.join('\r\n')}\r\n\r\n`;

test('the key of RFC 6455 §1.3 has the accept of RFC 6455 §1.3', () => {
  expect(acceptFor(key)).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
});

test('a request asks for the path and the query of the URL, with its port and credentials', () => {
  const { text } = openingRequest(new URL('ws://user:p%40ss@localhost:9001/chat?room=1'), 'permessage-deflate');
  expect(text).toMatch(/^GET \/chat\?room=1 HTTP\/1\.1\r\nHost: localhost:9001\r\n/);
  expect(text).toContain('\r\nSec-WebSocket-Extensions: permessage-deflate\r\n');
  expect(text).toContain(`\r\nAuthorization: Basic ${Buffer.from('user:p@ss').toString('base64')}\r\n`);
  expect(text.endsWith('\r\n\r\n')).toBe(true);
  expect(checkRequest(text).target.searchParams.get('room')).toBe('1');
});

test('our response is valid for our client', () => {
  expect(checkResponse(openingResponse(key, null), request)).toBeNull();
  expect(checkResponse(openingResponse(key, 'permessage-deflate'), request)).toBe('permessage-deflate');
});

describe('a response is refused', () => {
  const good = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${acceptFor(key)}`,
  ];
  const replaced = (index: number, line: string): string => lines(...good.with(index, line));

  test.each([
    ['is no HTTP', replaced(0, 'SSH-2.0-OpenSSH'), 'no HTTP response', 'invalid'],
    ['another status', replaced(0, 'HTTP/1.1 404 Not Found'), 'the server answered HTTP/1.1 404 Not Found', 'refused'],
    ['no Upgrade', replaced(1, 'X: y'), 'no Upgrade', 'invalid'],
    ['no Connection', replaced(2, 'Connection: close'), 'no Connection', 'invalid'],
    ['a wrong accept', replaced(3, 'Sec-WebSocket-Accept: x'), 'Sec-WebSocket-Accept: x', 'invalid'],
    ['no accept', replaced(3, 'X: y'), 'Accept: missing', 'invalid'],
    ['a subprotocol', lines(...good, 'Sec-WebSocket-Protocol: chat'), 'subprotocol', 'invalid'],
    ['a line that is no field', lines(...good, 'nonsense'), 'invalid header line', 'invalid'],
  ])('%s', (_title, text, message, kind) => {
    expect(() => checkResponse(text, request)).toThrow(OpeningError);
    expect(() => checkResponse(text, request)).toThrow(message);
    expect(() => checkResponse(text, request)).toThrow(expect.objectContaining({ kind }));
  });
});

describe('a request is refused', () => {
  const good = [
    'GET /runCase?case=1 HTTP/1.1',
    'Host: x',
    'upgrade: WebSocket',
    'connection: keep-alive, Upgrade',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${key}`,
  ];

  test('if a required field is missing, in upper or lower case', () => {
    expect(checkRequest(lines(...good))).toMatchObject({ key, offers: null });
  });

  test.each([
    [0, 'POST / HTTP/1.1', 'no GET request'],
    [0, 'GET http://x/ HTTP/1.1', 'no GET request'],
    [1, 'X: y', 'no Host'],
    [2, 'X: y', 'no Upgrade'],
    [3, 'Connection: close', 'no Connection'],
    [4, 'Sec-WebSocket-Version: 8', 'must be 13; got 8'],
    [5, 'Sec-WebSocket-Key: short', 'not 16 octets'],
  ])('line %i is %s', (index, line, message) => {
    expect(() => checkRequest(lines(...good.with(index, line)))).toThrow(message);
  });
});

test('a head ends with its empty line, and its length is limited', () => {
  expect(headLength(Buffer.from('GET / HTTP/1.1\r\n\r'))).toBe(-1);
  expect(headLength(Buffer.from('GET / HTTP/1.1\r\n\r\nmore'))).toBe(18);
  expect(() => headLength(Buffer.alloc(maxHeadLength, 'x'))).toThrow(OpeningError);
  expect(() => headLength(Buffer.from(`${'x'.repeat(maxHeadLength)}\r\n\r\n`))).toThrow(OpeningError);
});

test('a refusal states its reason and its length', () => {
  expect(refusal('400 Bad Request', 'no Höst')).toMatch(
    /^HTTP\/1\.1 400 Bad Request\r\n.*\r\nContent-Length: 9\r\n\r\nno Höst\n$/s,
  );
});
