import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deflateTerms } from '../../src/extension/deflate-negotiation.ts';
import { NegotiationError } from '../../src/extension/negotiation-error.ts';
import {
  checkResponse,
  headerEntries,
  parseAddress,
  type RequestHeaders,
  type ResponseFields,
  requestFields,
  requireSubprotocols,
} from '../../src/handshake/client-handshake.ts';
import { HandshakeError } from '../../src/handshake/handshake-error.ts';

// Example of RFC 6455 §1.3.
const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const accept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

/** Returns the error of a call. */
function thrownBy(call: () => unknown): Error & { code?: string } {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

describe('parseAddress', () => {
  it('parses a ws: address', () => {
    expect(parseAddress('ws://example.com/chat?room=1')).toEqual({
      url: 'ws://example.com/chat?room=1',
      isSecure: false,
      host: 'example.com',
      port: 80,
      authority: 'example.com',
      path: '/chat?room=1',
      socketPath: undefined,
      auth: undefined,
    });
  });

  it('parses a wss: address', () => {
    expect(parseAddress('wss://example.com:8443')).toMatchObject({
      url: 'wss://example.com:8443/',
      isSecure: true,
      port: 8443,
      authority: 'example.com:8443',
      path: '/',
    });
    expect(parseAddress('wss://example.com').port).toBe(443);
    expect(parseAddress('wss://example.com:443').authority).toBe('example.com');
  });

  it('turns http: and https: into ws: and wss:', () => {
    expect(parseAddress('http://example.com:80/a')).toMatchObject({ url: 'ws://example.com/a', isSecure: false });
    expect(parseAddress('https://example.com/a')).toMatchObject({ url: 'wss://example.com/a', isSecure: true });
  });

  it('does not change a given URL', () => {
    const url = new URL('http://example.com/a');
    parseAddress(url);
    expect(url.href).toBe('http://example.com/a');
  });

  it('returns an IPv6 address without brackets for the connection, and with them for the Host', () => {
    expect(parseAddress('ws://[::1]:8080/')).toMatchObject({ host: '::1', port: 8080, authority: '[::1]:8080' });
  });

  it('decodes the user and the password', () => {
    expect(parseAddress('ws://user:pa%20ss%3a@example.com/').auth).toBe('user:pa ss:');
    expect(parseAddress('ws://user@example.com/').auth).toBe('user:');
    expect(parseAddress('ws://:secret@example.com/').auth).toBe(':secret');
    expect(parseAddress('ws://us%C3%A9r:p@example.com/').auth).toBe('usér:p');
    expect(parseAddress('ws://%zz:%e9@example.com/').auth).toBe('%zz:\ufffd');
  });

  it.each([
    ['ws+unix:/tmp/a.sock', '/tmp/a.sock', '/'],
    ['ws+unix:/tmp/a.sock:', '/tmp/a.sock', '/'],
    ['ws+unix:/tmp/a.sock:/chat?room=1', '/tmp/a.sock', '/chat?room=1'],
    ['ws+unix:/tmp/a.sock:/a:b:c', '/tmp/a.sock', '/a:b:c'],
    ['ws+unix:/tmp/%20a.sock:/', '/tmp/ a.sock', '/'],
    ['ws+unix:/tmp/%C3%BC%3A%25.sock:/%20', '/tmp/ü:%.sock', '/%20'],
    ['ws+unix:/tmp/100%.sock:/', '/tmp/100%.sock', '/'],
    ['ws+unix:./a.sock:/x', './a.sock', '/x'],
    ['ws+unix:///tmp/a.sock:/x', '/tmp/a.sock', '/x'],
  ])('finds the socket and the path of %s', (address, socketPath, path) => {
    expect(parseAddress(address)).toMatchObject({
      url: address,
      socketPath,
      path,
      host: 'localhost',
      authority: 'localhost',
      isSecure: false,
    });
  });

  it('supports TLS over a Unix socket', () => {
    expect(parseAddress('wss+unix:/tmp/a.sock:/x')).toMatchObject({ isSecure: true, socketPath: '/tmp/a.sock' });
  });

  it.each(['', 'foo', 'ws:', 'ws://', '//example.com', 'ws://[::1', 'ws://a:99999'])(
    'refuses an invalid URL: "%s"',
    (address) => {
      const error = thrownBy(() => parseAddress(address));
      expect(error).toBeInstanceOf(SyntaxError);
      expect(error.message).toBe(`Invalid URL: ${address}`);
      expect(error.cause).toBeInstanceOf(TypeError);
    },
  );

  it.each(['ftp://example.com', 'mailto:a', 'http+unix:/a', 'javascript:alert(1)', 'file:///etc/passwd'])(
    'refuses another scheme: %s',
    (address) => {
      const error = thrownBy(() => parseAddress(address));
      expect(error).toBeInstanceOf(SyntaxError);
      expect(error.message).toBe('The URL\'s protocol must be one of "ws:", "wss:", "http:", "https:", or "ws+unix:"');
    },
  );

  it('refuses a fragment', () => {
    const refusal = new SyntaxError('The URL contains a fragment identifier');
    expect(() => parseAddress('ws://example.com/#here')).toThrow(refusal);
    expect(() => parseAddress('ws+unix:/tmp/a.sock:/x#here')).toThrow(refusal);
    // Also an empty one, as a string and as a URL.
    for (const empty of ['ws://example.com/#', 'wss://example.com/?q#', 'ws+unix:/tmp/a.sock:/x#']) {
      expect(() => parseAddress(empty)).toThrow(refusal);
      expect(() => parseAddress(new URL(empty))).toThrow(refusal);
    }
  });

  it.each(['ws+unix:', 'ws+unix:?query', 'ws+unix::/x', 'wss+unix::'])(
    'refuses a Unix socket without a path: %s',
    (address) => {
      expect(() => parseAddress(address)).toThrow(new SyntaxError("The URL's pathname is empty"));
    },
  );

  it('allows no line break in the request', () => {
    const { path, authority, host } = parseAddress('ws://exam\r\nple.com/a\r\nX: y?\r\n');
    for (const text of [path, authority, host]) expect(text).not.toMatch(/[\r\n ]/);
  });
});

describe('requireSubprotocols', () => {
  it('accepts different tokens, even if only the case differs', () => {
    expect(() => requireSubprotocols([])).not.toThrow();
    expect(() => requireSubprotocols(['chat', 'Chat', 'graphql-transport-ws', "a!#$%&'*+-.^_`|~9"])).not.toThrow();
  });

  it.each([[['']], [['a b']], [['a,b']], [['a', 'a']], [['é']], [['a\r\nX: y']], [['a\0']], [[1]], [[null]]])(
    'refuses %j',
    (subprotocols) => {
      expect(() => requireSubprotocols(subprotocols as string[])).toThrow(
        new SyntaxError('An invalid or duplicated subprotocol was specified'),
      );
    },
  );
});

describe('requestFields', () => {
  it('returns the fields of every handshake', () => {
    expect({ ...requestFields({ key }) }).toEqual({
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': key,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
    });
  });

  it('states subprotocols in the order of preference', () => {
    expect(requestFields({ key, subprotocols: ['b', 'a'] })['Sec-WebSocket-Protocol']).toBe('b,a');
  });

  it('returns the request of the example in §1.2', () => {
    const fields = requestFields({
      key,
      subprotocols: ['chat', 'superchat'],
      origin: 'http://example.com',
      host: 'server.example.com',
    });
    expect({ ...fields }).toEqual({
      Host: 'server.example.com',
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Key': key,
      Origin: 'http://example.com',
      'Sec-WebSocket-Protocol': 'chat,superchat',
      'Sec-WebSocket-Version': '13',
    });
    expect(Object.keys(fields)[0]).toBe('Host');
  });

  it('puts the origin in the field of the protocol version', () => {
    const origin = 'https://example.com';
    expect(requestFields({ key, origin, protocolVersion: 13 })).toMatchObject({ Origin: origin });
    const old = requestFields({ key, origin, protocolVersion: 8 });
    expect(old).toMatchObject({ 'Sec-WebSocket-Version': '8', 'Sec-WebSocket-Origin': origin });
    expect(old).not.toHaveProperty('Origin');
  });

  it.each([0, 7, 9, 14, Number.NaN, '13', null])('refuses protocol version %j', (protocolVersion) => {
    expect(() => requestFields({ key, protocolVersion: protocolVersion as number })).toThrow(
      new RangeError(`Unsupported protocol version: ${protocolVersion} (supported versions: 8, 13)`),
    );
  });

  it('does not let a field of the application replace one of the handshake', () => {
    const fields = requestFields({
      key,
      subprotocols: ['chat'],
      origin: 'https://example.com',
      headers: {
        'sec-websocket-key': 'x',
        CONNECTION: 'close',
        upgrade: 'h2c',
        'Sec-Websocket-Version': '9',
        'sec-websocket-protocol': 'other',
        ORIGIN: 'https://evil.example',
        'X-Mine': 'yes',
      },
    });
    expect({ ...fields }).toEqual({
      ...requestFields({ key, subprotocols: ['chat'], origin: 'https://example.com' }),
      'X-Mine': 'yes',
    });
  });

  it.each(['Content-Length', 'EXPECT', 'trailer', 'Transfer-Encoding'])(
    'leaves out %s of the application, because the request has no body',
    (name) => {
      expect({ ...requestFields({ key, headers: { [name]: '1', 'X-Mine': 'yes' } }) }).toEqual({
        ...requestFields({ key }),
        'X-Mine': 'yes',
      });
    },
  );

  it('sends Host, Origin and subprotocols of the application if the options set none', () => {
    const headers = { Host: 'h', Origin: 'o', 'Sec-WebSocket-Protocol': 'p' };
    expect(requestFields({ key, headers })).toMatchObject(headers);
  });

  it('accepts headers as an object, as pairs, and in a flat list', () => {
    const expected = [
      ['A', 'b'],
      ['C', 'd'],
    ];
    const forms: RequestHeaders[] = [
      { A: 'b', C: 'd' },
      [
        ['A', 'b'],
        ['C', 'd'],
      ],
      new Map([
        ['A', 'b'],
        ['C', 'd'],
      ]),
      ['A', 'b', 'C', 'd'],
    ];
    for (const form of forms) expect(headerEntries(form)).toEqual(expected);
    expect(headerEntries(new Headers({ A: 'b' }))).toEqual([['a', 'b']]);
    for (const nothing of [undefined, null, {}, [], new Headers()]) expect(headerEntries(nothing)).toEqual([]);
  });

  it('sends numbers and several values', () => {
    const fields = requestFields({ key, headers: { 'X-Number': 5, 'X-List': ['a', 'b'] } });
    expect(fields).toMatchObject({ 'X-Number': '5', 'X-List': ['a', 'b'] });
  });

  it('treats a field called __proto__ as a field', () => {
    const fields = requestFields({ key, headers: [['__proto__', 'a']] });
    expect(Object.keys(fields)).toContain('__proto__');
    expect(Object.getPrototypeOf(fields)).toBeNull();
  });

  const breaks = ['a\r\nX-Evil: b', 'a\nb', 'a\rb', 'a\0b', 'a\x7fb', 'a\u010ab'];

  it.each(breaks)('refuses a value that cannot be sent: %j', (value) => {
    const wording = (name: string) => `Invalid character in header content ["${name}"]`;
    const cases: [string, () => unknown][] = [
      ['X-Mine', () => requestFields({ key, headers: { 'X-Mine': value } })],
      ['X-Mine', () => requestFields({ key, headers: { 'X-Mine': ['fine', value] } })],
      ['Origin', () => requestFields({ key, origin: value })],
      ['Host', () => requestFields({ key, host: value })],
      ['Sec-WebSocket-Key', () => requestFields({ key: value })],
    ];
    for (const [name, call] of cases) {
      const error = thrownBy(call);
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toMatchObject({ message: wording(name), code: 'ERR_INVALID_CHAR' });
    }
  });

  it.each(['', 'a b', 'a:', 'a\r\nb', 'é'])('refuses a name that is not a token: %j', (name) => {
    const error = thrownBy(() => requestFields({ key, headers: { [name]: 'a' } }));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({
      message: `Header name must be a valid HTTP token ["${name}"]`,
      code: 'ERR_INVALID_HTTP_TOKEN',
    });
  });

  it('refuses a field without a value', () => {
    for (const headers of [{ 'X-Mine': undefined }, ['X-Mine']]) {
      const error = thrownBy(() => requestFields({ key, headers }));
      expect(error).toMatchObject({
        message: 'Invalid value "undefined" for header "X-Mine"',
        code: 'ERR_HTTP_INVALID_HEADER_VALUE',
      });
    }
  });

  it('returns valid fields or throws, for any input', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })),
        fc.option(fc.string({ unit: 'binary' }), { nil: undefined }),
        (headers, origin) => {
          let fields: Record<string, string | string[]>;
          try {
            fields = requestFields({ key, headers, origin });
          } catch (error) {
            expect(error).toBeInstanceOf(TypeError);
            return;
          }
          for (const [name, value] of Object.entries(fields)) {
            expect(name).toMatch(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/);
            for (const each of [value].flat()) expect(each).toMatch(/^[\t\x20-\x7e\x80-\xff]*$/);
          }
          expect(fields['Sec-WebSocket-Key']).toBe(key);
        },
      ),
    );
  });
});

describe('permessage-deflate', () => {
  const switching = { upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-accept': accept };
  const answer = (extensions: string, terms = deflateTerms()) =>
    checkResponse(
      { status: 101, headers: { ...switching, 'sec-websocket-extensions': extensions } },
      { key, deflate: terms },
    );

  it('is offered with the given terms, and overrides a field of the application', () => {
    const offered = (terms?: Parameters<typeof deflateTerms>[0]) =>
      requestFields({ key, deflate: deflateTerms(terms), headers: { 'sec-websocket-extensions': 'x' } });
    expect(offered()['Sec-WebSocket-Extensions']).toBe('permessage-deflate; client_max_window_bits');
    expect(offered({ serverNoContextTakeover: true, clientMaxWindowBits: 10 })['Sec-WebSocket-Extensions']).toBe(
      'permessage-deflate; server_no_context_takeover; client_max_window_bits=10',
    );
    expect(offered()['sec-websocket-extensions']).toBeUndefined();
    expect(requestFields({ key })).not.toHaveProperty('Sec-WebSocket-Extensions');
  });

  it('is agreed as the response states, or not at all', () => {
    expect(answer('permessage-deflate; server_no_context_takeover; client_max_window_bits=9').deflate).toEqual({
      serverNoContextTakeover: true,
      clientNoContextTakeover: false,
      serverMaxWindowBits: 15,
      clientMaxWindowBits: 9,
    });
    expect(checkResponse({ status: 101, headers: switching }, { key, deflate: deflateTerms() }).deflate).toBeNull();
  });

  it.each([
    ['it twice', 'permessage-deflate, permessage-deflate', NegotiationError],
    ['an unknown parameter', 'permessage-deflate; x', NegotiationError],
    ['an invalid window', 'permessage-deflate; server_max_window_bits=16', NegotiationError],
    ['a field that is malformed', 'permessage-deflate;', SyntaxError],
  ])('fails the handshake on %s', (_title, extensions, cause) => {
    const error = thrownBy(() => answer(extensions));
    expect(error).toMatchObject({
      code: 'GOODWIRE_INVALID_EXTENSIONS',
      message: 'Invalid Sec-WebSocket-Extensions header',
      status: 101,
    });
    expect(error.cause).toBeInstanceOf(cause);
  });

  it.each([
    ['another extension', 'x-webkit-deflate-frame', 'x-webkit-deflate-frame'],
    ['another extension beside it', 'permessage-deflate, x', 'x'],
  ])('fails the handshake on %s, with the message of ws', (_title, extensions, name) => {
    const error = thrownBy(() => answer(extensions));
    expect(error).toMatchObject({
      code: 'GOODWIRE_UNREQUESTED_EXTENSION',
      message: 'Server indicated an extension that was not requested',
      status: 101,
      cause: new SyntaxError(`Only permessage-deflate was asked for, not ${name}`),
    });
  });

  it.each(['', ' ', ',', ' ,, '])('is not agreed by the response %j, which lists no extension', (extensions) => {
    expect(answer(extensions).deflate).toBeNull();
    const headers = { ...switching, 'sec-websocket-extensions': extensions };
    expect(checkResponse({ status: 101, headers }, { key }).deflate).toBeNull();
  });

  it('is agreed by a response with whitespace between tokens', () => {
    expect(answer(', permessage-deflate ; client_max_window_bits = 9 ,').deflate?.clientMaxWindowBits).toBe(9);
  });
});

describe('checkResponse', () => {
  const good: ResponseFields = {
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-accept': accept,
  };
  const check = (headers: ResponseFields, subprotocols: readonly string[] = [], status = 101) =>
    checkResponse({ status, headers }, { key, subprotocols });

  it('accepts a response that follows every rule', () => {
    expect(check(good)).toEqual({ protocol: '', deflate: null });
    expect(checkResponse({ status: 101, headers: good }, { key })).toEqual({ protocol: '', deflate: null });
  });

  it('ignores the case of Upgrade and Connection', () => {
    expect(() => check({ ...good, upgrade: 'WebSocket', connection: 'UPGRADE' })).not.toThrow();
  });

  it('finds the upgrade among other connection options', () => {
    expect(() => check({ ...good, connection: 'keep-alive, Upgrade' })).not.toThrow();
    expect(() => check({ ...good, connection: ['keep-alive', 'Upgrade'] })).not.toThrow();
  });

  it('ignores whitespace about the accept value', () => {
    expect(() => check({ ...good, 'sec-websocket-accept': ` ${accept}\t` })).not.toThrow();
  });

  it('accepts a requested subprotocol', () => {
    expect(check({ ...good, 'sec-websocket-protocol': 'b' }, ['a', 'b']).protocol).toBe('b');
  });

  const messages = {
    INVALID_UPGRADE: 'Invalid Upgrade header',
    INVALID_CONNECTION: 'Invalid Connection header',
    INVALID_ACCEPT: 'Invalid Sec-WebSocket-Accept header',
    UNREQUESTED_SUBPROTOCOL: 'Server sent a subprotocol but none was requested',
    INVALID_SUBPROTOCOL: 'Server sent an invalid subprotocol',
    MISSING_SUBPROTOCOL: 'Server sent no subprotocol',
    UNREQUESTED_EXTENSION: 'Server sent a Sec-WebSocket-Extensions header but no extension was requested',
  };

  type Case = [title: string, change: ResponseFields, subprotocols: string[], code: keyof typeof messages];
  it.each<Case>([
    ['no Upgrade', { upgrade: undefined }, [], 'INVALID_UPGRADE'],
    ['an Upgrade to something else', { upgrade: 'h2c' }, [], 'INVALID_UPGRADE'],
    ['an Upgrade to several things', { upgrade: 'websocket, h2c' }, [], 'INVALID_UPGRADE'],
    ['two Upgrade fields', { upgrade: ['websocket', 'websocket'] }, [], 'INVALID_UPGRADE'],
    ['no Connection', { connection: undefined }, [], 'INVALID_CONNECTION'],
    ['a Connection without the upgrade', { connection: 'keep-alive' }, [], 'INVALID_CONNECTION'],
    ['a Connection with something like it', { connection: 'xupgrade, upgraded, up grade' }, [], 'INVALID_CONNECTION'],
    ['no accept value', { 'sec-websocket-accept': undefined }, [], 'INVALID_ACCEPT'],
    ['an empty accept value', { 'sec-websocket-accept': '' }, [], 'INVALID_ACCEPT'],
    ['another accept value', { 'sec-websocket-accept': key }, [], 'INVALID_ACCEPT'],
    ['an accept value in lower case', { 'sec-websocket-accept': accept.toLowerCase() }, [], 'INVALID_ACCEPT'],
    ['two accept values', { 'sec-websocket-accept': [accept, accept] }, [], 'INVALID_ACCEPT'],
    ['an unrequested subprotocol', { 'sec-websocket-protocol': 'a' }, [], 'UNREQUESTED_SUBPROTOCOL'],
    ['an unrequested empty subprotocol', { 'sec-websocket-protocol': '' }, [], 'UNREQUESTED_SUBPROTOCOL'],
    ['a subprotocol not asked for', { 'sec-websocket-protocol': 'c' }, ['a', 'b'], 'INVALID_SUBPROTOCOL'],
    ['a subprotocol in another case', { 'sec-websocket-protocol': 'A' }, ['a', 'b'], 'INVALID_SUBPROTOCOL'],
    ['an empty subprotocol', { 'sec-websocket-protocol': '' }, ['a'], 'INVALID_SUBPROTOCOL'],
    ['two subprotocols', { 'sec-websocket-protocol': ['a', 'b'] }, ['a', 'b'], 'INVALID_SUBPROTOCOL'],
    ['no subprotocol when some were asked for', {}, ['a'], 'MISSING_SUBPROTOCOL'],
    ['an extension', { 'sec-websocket-extensions': 'permessage-deflate' }, [], 'UNREQUESTED_EXTENSION'],
    ['a list of extensions that is malformed', { 'sec-websocket-extensions': ';;' }, [], 'UNREQUESTED_EXTENSION'],
  ])('refuses %s', (_title, change, subprotocols, code) => {
    const error = thrownBy(() => check({ ...good, ...change }, subprotocols));
    expect(error).toBeInstanceOf(HandshakeError);
    expect(error).toMatchObject({ message: messages[code], code: `GOODWIRE_${code}`, status: 101 });
  });

  it.each([100, 200, 204, 301, 400, 401, 404, 407, 426, 500, 503])('refuses status %i', (status) => {
    const error = thrownBy(() => check(good, [], status));
    expect(error).toBeInstanceOf(HandshakeError);
    expect(error).toMatchObject({
      message: `Unexpected server response: ${status}`,
      code: 'GOODWIRE_UNEXPECTED_RESPONSE',
      status,
    });
  });

  it('reports the fields that were received', () => {
    const headers = { 'www-authenticate': 'Basic', 'set-cookie': ['a=1', 'b=2'], 'x-nothing': undefined };
    const error = thrownBy(() => check(headers, [], 401)) as HandshakeError;
    expect({ ...error.headers }).toEqual({ 'www-authenticate': 'Basic', 'set-cookie': 'a=1, b=2' });
  });

  it('does not treat inherited properties as fields', () => {
    expect(() => check(Object.create(good))).toThrow('Invalid Upgrade header');
  });

  it('agrees or throws a HandshakeError, for any response', () => {
    const names = [
      'upgrade',
      'connection',
      'sec-websocket-accept',
      'sec-websocket-protocol',
      'sec-websocket-extensions',
    ];
    const value = fc.oneof(
      fc.constantFrom('websocket', 'upgrade', 'Upgrade, keep-alive', accept, 'a', 'b', 'a, b', ''),
      fc.string(),
      fc.array(fc.string(), { maxLength: 3 }),
    );
    const field = fc.tuple(fc.oneof(fc.constantFrom(...names), fc.string()), value);
    fc.assert(
      fc.property(
        fc.array(field),
        fc.boolean(),
        fc.uniqueArray(fc.constantFrom('a', 'b', 'c')),
        fc.constantFrom(101, 101, 101, 200, 404),
        (fields, isGood, subprotocols, status) => {
          const headers = { ...(isGood ? good : {}), ...Object.fromEntries(fields) } as ResponseFields;
          try {
            const { protocol, deflate } = check(headers, subprotocols, status);
            expect(status).toBe(101);
            expect(String(headers.upgrade).toLowerCase()).toBe('websocket');
            expect(String(headers['sec-websocket-accept']).trim()).toBe(accept);
            expect(subprotocols.length === 0 ? [''] : subprotocols).toContain(protocol);
            expect(deflate).toBeNull();
          } catch (error) {
            if (!(error instanceof HandshakeError)) throw error;
            expect(error.code).toMatch(/^GOODWIRE_[A-Z_]+$/);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('accepts the right answer to any key, and no other', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(27), (octets, index) => {
        const anyKey = Buffer.from(octets).toString('base64');
        const answer = createHash('sha1').update(`${anyKey}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
        const asked = { key: anyKey };
        checkResponse({ status: 101, headers: { ...good, 'sec-websocket-accept': answer } }, asked);
        const wrong = `${answer.slice(0, index)}${answer[index] === 'A' ? 'B' : 'A'}${answer.slice(index + 1)}`;
        expect(() =>
          checkResponse({ status: 101, headers: { ...good, 'sec-websocket-accept': wrong } }, asked),
        ).toThrow('Invalid Sec-WebSocket-Accept header');
      }),
    );
  });

  it.each(['upgrade', 'connection', 'sec-websocket-accept', 'sec-websocket-protocol'])(
    'takes time in proportion to the length of %s',
    (name) => {
      // If the time were quadratic, a million characters of whitespace and commas would take minutes.
      for (const unit of [' ', ',', ' ,', 'upgrad,', '\t'])
        expect(() => check({ ...good, [name]: `x${unit.repeat(1_000_000)}x` })).toThrow(HandshakeError);
    },
  );
});
