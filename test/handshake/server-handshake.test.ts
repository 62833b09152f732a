import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deflateTerms } from '../../src/extension/deflate-negotiation.ts';
import { HandshakeError } from '../../src/handshake/handshake-error.ts';
import {
  agree,
  agreementLines,
  fieldLines,
  formatHead,
  formatRefusal,
  type HandshakeRequestFields,
  readOffer,
  requireLines,
} from '../../src/handshake/server-handshake.ts';

const key = 'dGhlIHNhbXBsZSBub25jZQ==';

/** Returns the request of RFC 6455 §1.2, with changed fields; undefined removes a field. */
function request(
  headers: Record<string, string | readonly string[] | undefined> = {},
  line: Partial<Omit<HandshakeRequestFields, 'headers'>> = {},
): HandshakeRequestFields {
  return {
    method: 'GET',
    httpVersion: '1.1',
    ...line,
    headers: {
      host: 'server.example.com',
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-key': key,
      'sec-websocket-version': '13',
      ...headers,
    },
  };
}

function refusalOf(read: () => unknown): HandshakeError {
  try {
    read();
  } catch (error) {
    if (error instanceof HandshakeError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('readOffer', () => {
  it('reads the request of RFC 6455 §1.2', () => {
    const offer = readOffer(request({ origin: 'http://example.com', 'sec-websocket-protocol': 'chat, superchat' }));
    expect(offer).toEqual({
      key,
      version: 13,
      origin: 'http://example.com',
      subprotocols: new Set(['chat', 'superchat']),
      extensions: [],
    });
  });

  it('reads the offered extensions', () => {
    const offer = readOffer(request({ 'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits, x' }));
    expect(offer.extensions).toEqual([
      { name: 'permessage-deflate', parameters: [['client_max_window_bits', true]] },
      { name: 'x', parameters: [] },
    ]);
  });

  it('accepts version 8, whose origin field has another name', () => {
    const offer = readOffer(
      request({ 'sec-websocket-version': '8', origin: 'http://a', 'sec-websocket-origin': 'http://b' }),
    );
    expect(offer.version).toBe(8);
    expect(offer.origin).toBe('http://b');
  });

  it.each<[string, HandshakeRequestFields]>([
    ['a Connection field that lists more', request({ connection: 'keep-alive, Upgrade' })],
    ['a Connection field in other case', request({ connection: 'UPGRADE' })],
    ['an Upgrade field in other case', request({ upgrade: 'WebSocket' })],
    ['an Upgrade field that lists more', request({ upgrade: 'h2c, websocket' })],
    ['HTTP/2', request({}, { httpVersion: '2.0' })],
    ['a host in HTTP/2 fashion', request({ host: undefined, ':authority': 'example.com' })],
    [
      'a version that is a number, as a program may pass it',
      request({ 'sec-websocket-version': 13 as unknown as string }),
    ],
    ['a Connection field as a list', request({ connection: ['keep-alive', 'Upgrade'] })],
    ['a key of every kind of character', request({ 'sec-websocket-key': 'AZaz09+/AZaz09+/AZazAQ==' })],
    [
      'a key whose last character has unused bits that are set, as ws does',
      request({ 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZR==' }),
    ],
  ])('accepts %s', (_, fields) => {
    expect(readOffer(fields).key).toHaveLength(24);
  });

  it('does not require a Host if the option is set', () => {
    expect(readOffer(request({ host: undefined }), { needsHost: false }).version).toBe(13);
  });

  it.each<[string, HandshakeRequestFields, number, string, string]>([
    ['POST', request({}, { method: 'POST' }), 405, 'GOODWIRE_INVALID_METHOD', 'Invalid HTTP method'],
    ['a method in lower case', request({}, { method: 'get' }), 405, 'GOODWIRE_INVALID_METHOD', 'Invalid HTTP method'],
    ['HTTP/1.0', request({}, { httpVersion: '1.0' }), 400, 'GOODWIRE_INVALID_HTTP_VERSION', 'Invalid HTTP version'],
    ['HTTP/0.9', request({}, { httpVersion: '0.9' }), 400, 'GOODWIRE_INVALID_HTTP_VERSION', 'Invalid HTTP version'],
    ['no HTTP version', request({}, { httpVersion: '' }), 400, 'GOODWIRE_INVALID_HTTP_VERSION', 'Invalid HTTP version'],
    ['no Host', request({ host: undefined }), 400, 'GOODWIRE_MISSING_HOST', 'Missing Host header'],
    ['an empty Host', request({ host: '' }), 400, 'GOODWIRE_MISSING_HOST', 'Missing Host header'],
    ['no Upgrade', request({ upgrade: undefined }), 400, 'GOODWIRE_INVALID_UPGRADE', 'Invalid Upgrade header'],
    ['another Upgrade', request({ upgrade: 'h2c' }), 400, 'GOODWIRE_INVALID_UPGRADE', 'Invalid Upgrade header'],
    [
      'no Connection',
      request({ connection: undefined }),
      400,
      'GOODWIRE_INVALID_CONNECTION',
      'Invalid Connection header',
    ],
    [
      'another Connection',
      request({ connection: 'close' }),
      400,
      'GOODWIRE_INVALID_CONNECTION',
      'Invalid Connection header',
    ],
  ])('refuses %s', (_, fields, status, code, message) => {
    expect(refusalOf(() => readOffer(fields))).toMatchObject({ status, code, message, name: 'Error' });
  });

  it.each<[string, string, HandshakeRequestFields]>([
    ['two Hosts', 'HOST', request({}, { rawHeaders: ['Host', 'x', 'A', 'host', 'HOST', 'x'] })],
    ['a Host that is no host', 'HOST', request({ host: 'x y' })],
    ['several Hosts in one', 'HOST', request({ host: 'x, y' })],
    ['a target in asterisk form', 'TARGET', request({}, { url: '*' })],
    ['the URI of another scheme', 'TARGET', request({}, { url: 'ftp://x/' })],
    ['a URI without a host', 'TARGET', request({}, { url: 'http:///x' })],
    ['a URI whose host is invalid', 'TARGET', request({}, { url: 'http://x y/' })],
    ['a Content-Length', 'BODY', request({ 'content-length': '1' })],
    ['an invalid Content-Length', 'BODY', request({ 'content-length': '-0' })],
    ['several values of Content-Length', 'BODY', request({ 'content-length': '0, 0' })],
    ['a transfer coding', 'BODY', request({ 'transfer-encoding': 'chunked' })],
    ['an empty transfer coding', 'BODY', request({ 'transfer-encoding': '' })],
  ])('refuses %s', (_title, what, fields) => {
    const codes = { HOST: 'INVALID_HOST', TARGET: 'INVALID_TARGET', BODY: 'UNEXPECTED_BODY' } as Record<string, string>;
    expect(refusalOf(() => readOffer(fields))).toMatchObject({ status: 400, code: `GOODWIRE_${codes[what]}` });
    // Also if a host is not required.
    expect(refusalOf(() => readOffer(fields, { needsHost: false })).status).toBe(400);
  });

  it.each<[string, HandshakeRequestFields]>([
    ['a Content-Length of 0', request({ 'content-length': '00' })],
    ['no target', request({}, { url: undefined })],
    ['an empty target', request({}, { url: '' })],
    ['a target of which only the query is left', request({}, { url: '?a' })],
    ['raw fields with one Host', request({}, { rawHeaders: ['A', 'host', 'Host', 'x', 'Hosts', 'x'] })],
    ['raw fields that are no fields', request({}, { rawHeaders: [undefined, 5, 'Host'] as unknown as string[] })],
  ])('accepts %s', (_title, fields) => {
    expect(readOffer(fields).version).toBe(13);
  });

  it.each([
    ['100-continue', true],
    ['x, 100-CONTINUE', true],
    ['100-continues', undefined],
    [undefined, undefined],
  ])('for Expect %j says that a 100 is expected: %j', (expect_, expected) => {
    expect(readOffer(request({ expect: expect_ })).expectsContinue).toBe(expected);
  });

  it('names the allowed method', () => {
    expect(refusalOf(() => readOffer(request({}, { method: 'PUT' }))).headers).toEqual({ Allow: 'GET' });
  });

  it.each([
    ['none', undefined],
    ['an empty one', ''],
    ['one of 15 octets', 'AAAAAAAAAAAAAAAAAAAA'],
    ['one of 17 octets', 'AAAAAAAAAAAAAAAAAAAAAAA='],
    ['one of 18 octets', 'AAAAAAAAAAAAAAAAAAAAAAAA'],
    ['one of 19 octets', 'AAAAAAAAAAAAAAAAAAAAAAAAAA=='],
    ['one without padding', 'dGhlIHNhbXBsZSBub25jZQ'],
    ['base64url', 'dGhlIHNhbXBsZSBub2_-ZQ=='],
    ['one with a space', 'dGhlIHNhbXBsZSBub25j Q=='],
    ['one with padding inside', 'dGhlIHNhbXBsZSBub25=ZQ=='],
    ['one with a letter from elsewhere', 'dGhlIHNhbXBsZSBub25jZé=='],
    ['two keys', `${key}, ${key}`],
    ['two keys as a list', [key, key]],
  ])('refuses a key: %s', (_, value) => {
    expect(refusalOf(() => readOffer(request({ 'sec-websocket-key': value })))).toMatchObject({
      status: 400,
      code: 'GOODWIRE_INVALID_KEY',
      message: 'Missing or invalid Sec-WebSocket-Key header',
    });
  });

  it('accepts the base64 of any 16 octets, and of no other number', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (octets) => {
        const read = () => readOffer(request({ 'sec-websocket-key': Buffer.from(octets).toString('base64') }));
        if (octets.length === 16) expect(read().version).toBe(13);
        else expect(refusalOf(read).code).toBe('GOODWIRE_INVALID_KEY');
      }),
    );
  });

  it.each([
    [undefined],
    [''],
    ['0'],
    ['7'],
    ['12'],
    ['14'],
    ['013'],
    ['13.0'],
    ['13, 8'],
    ['13, 13'],
    ['0x0d'],
    ['1e1'],
  ])('answers version %j with the supported versions', (version) => {
    const error = refusalOf(() => readOffer(request({ 'sec-websocket-version': version })));
    expect(error).toMatchObject({ status: 426, code: 'GOODWIRE_UNSUPPORTED_VERSION' });
    expect(error.headers).toEqual({ Upgrade: 'websocket', 'Sec-WebSocket-Version': '13, 8' });
  });

  it.each([[''], [','], ['a, a'], ['a b'], ['"a"'], ['__proto__, __proto__']])(
    'refuses the subprotocols %j',
    (header) => {
      const error = refusalOf(() => readOffer(request({ 'sec-websocket-protocol': header })));
      expect(error).toMatchObject({
        status: 400,
        code: 'GOODWIRE_INVALID_SUBPROTOCOL',
        message: 'Invalid Sec-WebSocket-Protocol header',
      });
      expect(error.cause).toBeInstanceOf(SyntaxError);
    },
  );

  it.each([['a;'], ['a;b="'], ['a;b=""'], ['a b']])('refuses the extensions %j', (header) => {
    const error = refusalOf(() => readOffer(request({ 'sec-websocket-extensions': header })));
    expect(error).toMatchObject({
      status: 400,
      code: 'GOODWIRE_INVALID_EXTENSIONS',
      message: 'Invalid or unacceptable Sec-WebSocket-Extensions header',
    });
    expect(error.cause).toBeInstanceOf(SyntaxError);
  });

  it.each([
    ['', []],
    [' ,, ', []],
    [', a ; b = 1,', [{ name: 'a', parameters: [['b', '1']] }]],
  ])('reads the extensions %j', (header, extensions) => {
    expect(readOffer(request({ 'sec-websocket-extensions': header })).extensions).toEqual(extensions);
  });

  it.each([
    ['GOODWIRE_INVALID_METHOD', { method: 'POST' }, {}],
    ['GOODWIRE_INVALID_UPGRADE', {}, { upgrade: undefined }],
    ['GOODWIRE_INVALID_KEY', {}, { 'sec-websocket-key': 'short' }],
    ['GOODWIRE_UNSUPPORTED_VERSION', {}, { 'sec-websocket-version': '12' }],
  ])('reports %s before a missing Host, as ws does', (code, parts, fields) => {
    expect(refusalOf(() => readOffer(request({ host: undefined, ...fields }, parts))).code).toBe(code);
  });

  it('does not treat inherited properties as fields', () => {
    const headers = Object.create({ 'sec-websocket-key': key, origin: 'http://inherited' });
    Object.assign(headers, request({ 'sec-websocket-key': undefined }).headers);
    delete headers['sec-websocket-key'];
    expect(refusalOf(() => readOffer({ method: 'GET', httpVersion: '1.1', headers })).code).toBe(
      'GOODWIRE_INVALID_KEY',
    );
  });

  it('returns an offer or a HandshakeError for any fields', () => {
    const names = Object.keys(request().headers).concat(
      'origin',
      'sec-websocket-protocol',
      'sec-websocket-extensions',
      '__proto__',
    );
    const fields = fc.dictionary(fc.constantFrom(...names), fc.oneof(fc.string({ unit: 'binary' }), fc.constant('13')));
    fc.assert(
      fc.property(
        fields,
        fc.constantFrom('GET', 'POST'),
        fc.constantFrom('1.1', '1.0'),
        (headers, method, httpVersion) => {
          try {
            expect(readOffer(request(headers, { method, httpVersion })).key).toHaveLength(24);
          } catch (error) {
            expect(error).toBeInstanceOf(HandshakeError);
            expect([400, 405, 426]).toContain((error as HandshakeError).status);
          }
        },
      ),
    );
  });
});

describe('agree', () => {
  const offer = readOffer(request({ 'sec-websocket-protocol': 'chat, superchat' }));

  it('answers the key, and accepts an offered subprotocol', () => {
    expect(agree(offer, 'superchat')).toEqual({
      accept: 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
      protocol: 'superchat',
      extensions: '',
      deflate: null,
    });
  });

  it.each([
    ['permessage-deflate', {}, 'permessage-deflate', [false, false, 15, 15]],
    [
      'permessage-deflate; client_max_window_bits',
      { clientMaxWindowBits: 9 },
      'permessage-deflate; client_max_window_bits=9',
      [false, false, 15, 9],
    ],
    [
      'x; y=1, permessage-deflate; server_max_window_bits=10',
      { serverNoContextTakeover: true },
      'permessage-deflate; server_no_context_takeover; server_max_window_bits=10',
      [true, false, 10, 15],
    ],
    [
      'permessage-deflate; server_max_window_bits=8, permessage-deflate',
      { serverMaxWindowBits: 9 },
      'permessage-deflate; server_max_window_bits=9',
      [false, false, 9, 15],
    ],
    ['permessage-deflate; nonsense, permessage-deflate', {}, 'permessage-deflate', [false, false, 15, 15]],
  ])('agrees to %s with the terms %j', (offered, terms, extensions, [serverNo, clientNo, serverBits, clientBits]) => {
    const agreement = agree(readOffer(request({ 'sec-websocket-extensions': offered })), '', deflateTerms(terms));
    expect(agreement).toMatchObject({
      extensions,
      deflate: {
        serverNoContextTakeover: serverNo,
        clientNoContextTakeover: clientNo,
        serverMaxWindowBits: serverBits,
        clientMaxWindowBits: clientBits,
      },
    });
  });

  it.each([
    ['it is not offered', 'x-webkit-deflate-frame'],
    ['a window is out of range', 'permessage-deflate; server_max_window_bits=7'],
    ['a parameter is repeated', 'permessage-deflate; client_no_context_takeover; client_no_context_takeover'],
    ['a parameter is unknown', 'permessage-deflate; __proto__'],
    ['a window is quoted, and has a leading zero', 'permessage-deflate; client_max_window_bits="08"'],
  ])('continues without compression if %s (RFC 7692 §7.1)', (_title, offered) => {
    const agreement = agree(readOffer(request({ 'sec-websocket-extensions': offered })), '', deflateTerms());
    expect(agreement).toMatchObject({ extensions: '', deflate: null });
  });

  it('continues without compression if it has no terms for it', () => {
    const offered = readOffer(request({ 'sec-websocket-extensions': 'permessage-deflate' }));
    expect(agree(offered, '')).toMatchObject({ extensions: '', deflate: null });
  });

  it('accepts no subprotocol', () => {
    expect(agree(offer, '')).toMatchObject({ protocol: '', extensions: '' });
  });

  it.each(['Chat', 'other', 'chat, superchat', 'chat\r\nX: y', '__proto__', 5 as unknown as string])(
    'refuses the subprotocol %j, which was not offered',
    (protocol) => {
      expect(() => agree(offer, protocol)).toThrow(
        `A subprotocol must be one of those offered (chat, superchat); got ${JSON.stringify(protocol)}`,
      );
    },
  );
});

describe('agreementLines', () => {
  it('is the response of RFC 6455 §1.3', () => {
    const lines = agreementLines({ accept: 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', protocol: '', extensions: '' });
    expect(formatHead(lines)).toBe(
      'HTTP/1.1 101 Switching Protocols\r\n' +
        'Upgrade: websocket\r\n' +
        'Connection: Upgrade\r\n' +
        'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n' +
        '\r\n',
    );
  });

  it('names the subprotocol and the extensions', () => {
    const lines = agreementLines({ accept: 'x', protocol: 'chat', extensions: 'permessage-deflate' });
    expect(lines.slice(4)).toEqual(['Sec-WebSocket-Protocol: chat', 'Sec-WebSocket-Extensions: permessage-deflate']);
  });
});

describe('fieldLines', () => {
  it('writes fields, and one line for each value of a list', () => {
    expect(fieldLines({ 'X-A': 'b', 'Set-Cookie': ['a=1', 'b=2'], n: 3, left: undefined, umlaut: 'ü' })).toEqual([
      'X-A: b',
      'Set-Cookie: a=1',
      'Set-Cookie: b=2',
      'n: 3',
      'umlaut: ü',
    ]);
  });

  it.each([
    'Upgrade',
    'connection',
    'Sec-WebSocket-Accept',
    'sec-websocket-protocol',
    'Sec-WebSocket-Extensions',
    'Content-Length',
    'Transfer-Encoding',
  ])('refuses %s, which the handshake sets', (name) => {
    expect(() => fieldLines({ [name]: 'x' })).toThrow(/belongs to the opening handshake/);
  });

  it.each<[string, string]>([
    ['X', 'a\r\nInjected: 1'],
    ['X', 'a\nb'],
    ['X', 'a\rb'],
    ['X', 'a\0b'],
    ['X\r\nInjected', '1'],
    ['X: 1', '2'],
    ['', 'a'],
    ['X Y', 'a'],
  ])('refuses the field %j with the value %j', (name, value) => {
    expect(() => fieldLines({ [name]: value })).toThrow(TypeError);
  });
});

describe('requireLines', () => {
  const good = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket'];

  it('accepts lines with one field each', () => {
    requireLines([...good, 'Set-Cookie: a=b; Path=/', 'X:', 'umlaut: ü']);
  });

  it.each<[string, unknown[]]>([
    ['no lines', []],
    ['no status line', ['Upgrade: websocket']],
    ['another status', ['HTTP/1.1 200 OK']],
    ['a status line that is two', ['HTTP/1.1 101 x\r\nX: y']],
    ['a line that is two', [...good, 'X: y\r\nZ: 1']],
    ['a line with a lone LF', [...good, 'X: y\nZ: 1']],
    ['an empty line, which would end the head', [...good, '']],
    ['a line without a name', [...good, ': x']],
    ['a line without a colon', [...good, 'x']],
    ['a name that is no token', [...good, 'X Y: z']],
    ['a line that is no text', [...good, 5]],
    ['a status line that is no text', [undefined]],
  ])('refuses %s', (_, lines) => {
    expect(() => requireLines(lines as string[])).toThrow(TypeError);
  });
});

describe('formatRefusal', () => {
  it('is a complete HTTP response that closes the connection', () => {
    expect(formatRefusal({ status: 400, statusText: 'Bad Request', body: 'Invalid Upgrade header' })).toBe(
      'HTTP/1.1 400 Bad Request\r\n' +
        'Connection: close\r\n' +
        'Content-Type: text/html\r\n' +
        'Content-Length: 22\r\n' +
        '\r\n' +
        'Invalid Upgrade header',
    );
  });

  it('counts the octets of the body', () => {
    expect(formatRefusal({ status: 403, statusText: '', body: 'für 中' })).toContain('Content-Length: 8\r\n');
  });

  it('lists Upgrade in the Connection field of a 426', () => {
    const { status, headers, message } = refusalOf(() => readOffer(request({ 'sec-websocket-version': '12' })));
    expect(formatRefusal({ status, statusText: 'Upgrade Required', body: message, headers })).toBe(
      'HTTP/1.1 426 Upgrade Required\r\n' +
        'Connection: close, Upgrade\r\n' +
        'Content-Type: text/html\r\n' +
        'Content-Length: 47\r\n' +
        'Upgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13, 8\r\n' +
        '\r\n' +
        'Missing or invalid Sec-WebSocket-Version header',
    );
  });

  it('sends fields of the application, except those that end the response', () => {
    const headers = {
      'content-type': 'application/json',
      'Content-Length': '1',
      connection: 'keep-alive',
      'transfer-encoding': 'chunked',
      'Set-Cookie': ['a=1', 'b=2'],
      'Retry-After': 5,
      left: undefined,
    };
    const lines = formatRefusal({ status: 503, statusText: 'x', body: '{}', headers }).split('\r\n');
    expect(lines).toEqual([
      'HTTP/1.1 503 x',
      'Connection: close',
      'content-type: application/json',
      'Content-Length: 2',
      'Set-Cookie: a=1',
      'Set-Cookie: b=2',
      'Retry-After: 5',
      '',
      '{}',
    ]);
  });

  it.each([0, 100, 101, 199, 600, 999, 400.5, Number.NaN, '400' as unknown as number])(
    'refuses the status %j',
    (status) => {
      expect(() => formatRefusal({ status, statusText: '', body: '' })).toThrow(RangeError);
    },
  );

  it.each<[string, Record<string, string>]>([
    ['a value that is two lines', { X: 'a\r\nY: b' }],
    ['a name that is two lines', { 'X: a\r\nY': 'b' }],
    ['a Content-Type that is two lines', { 'Content-Type': 'a\r\nY: b' }],
  ])('refuses %s', (_, headers) => {
    expect(() => formatRefusal({ status: 400, statusText: '', body: '', headers })).toThrow(TypeError);
  });

  it('refuses a reason phrase with a line break', () => {
    expect(() => formatRefusal({ status: 400, statusText: 'a\r\nX: y', body: '' })).toThrow(TypeError);
  });

  it('never lets a field add another line', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ unit: 'binary' }), (name, value) => {
        let response: string;
        try {
          response = formatRefusal({ status: 400, statusText: 'x', body: '', headers: { [name]: value } });
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
          return;
        }
        expect(response.endsWith('\r\n\r\n')).toBe(true);
        const lines = response.slice(0, -4).split(/\r|\n/).filter(Boolean);
        expect(lines.length).toBeLessThanOrEqual(5);
        expect(lines.every((line) => /^(HTTP\/1\.1 400 x$|[!#$%&'*+\-.^_`|~0-9A-Za-z]+:)/.test(line))).toBe(true);
      }),
    );
  });
});

describe('a HandshakeError', () => {
  it('has a status, code, headers and cause', () => {
    const cause = new Error('why');
    const error = new HandshakeError(401, 'GOODWIRE_X', 'no', { headers: { A: 'b' }, cause });
    expect(error).toMatchObject({ name: 'Error', status: 401, code: 'GOODWIRE_X', message: 'no', cause });
    expect(error.headers).toEqual({ A: 'b' });
  });

  it('has no headers and no cause by default', () => {
    const error = new HandshakeError(400, 'GOODWIRE_X', 'no');
    expect(error.headers).toEqual({});
    expect('cause' in error).toBe(false);
  });
});
