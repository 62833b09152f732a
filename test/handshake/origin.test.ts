import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allowOrigins, normalizeOrigin } from '../../src/handshake/origin.ts';

describe('allowOrigins', () => {
  const isAllowed = allowOrigins([
    'https://example.com',
    'http://localhost:3000',
    'http://[::1]:8080',
    'https://bücher.example',
    'HTTPS://Upper.Example:443',
    'vscode-webview://panel',
  ]);

  it.each([
    ['https://example.com'],
    ['https://example.com:443'],
    ['HTTPS://EXAMPLE.com'],
    ['http://localhost:3000'],
    ['http://[::1]:8080'],
    ['https://xn--bcher-kva.example'],
    ['https://upper.example'],
    ['vscode-webview://panel'],
  ])('accepts %s', (origin) => {
    expect(isAllowed(origin)).toBe(true);
  });

  it('distinguishes a port from others that begin with the default port', () => {
    const isAllowed = allowOrigins(['http://example.com:8080', 'https://example.com:4433']);
    expect(isAllowed('http://example.com:8080')).toBe(true);
    expect(isAllowed('https://example.com:4433')).toBe(true);
    for (const other of [
      'http://example.com:8081',
      'http://example.com:8',
      'https://example.com:4',
      'https://example.com:4434',
    ])
      expect(isAllowed(other)).toBe(false);
  });

  it.each([
    [undefined],
    [''],
    ['null'],
    ['http://example.com'],
    ['https://example.com:80'],
    ['https://example.com:8443'],
    ['https://example.com:4430'],
    ['https://example.com.'],
    ['https://example.com.evil.test'],
    ['https://evil-example.com'],
    ['https://evil.example.com'],
    ['https://example.co'],
    ['https://example.com@evil.test'],
    ['https://evil.test@example.com'],
    ['https://evil.test/https://example.com'],
    ['https://example.com/'],
    ['https://example.com?'],
    ['https://example.com#'],
    ['https://example.com\\@evil.test'],
    ['https://example.com, https://evil.test'],
    ['https://evil.test https://example.com'],
    [' https://example.com'],
    ['https://example.com\t'],
    ['https://ex%61mple.com'],
    ['https://example.com\0'],
    ['https://еxample.com'],
    ['https:example.com'],
    ['//example.com'],
    ['example.com'],
    ['https://'],
    ['://example.com'],
    ['https://:443'],
    ['http://localhost'],
    ['__proto__'],
    ['constructor'],
  ])('refuses %j', (origin) => {
    expect(isAllowed(origin)).toBe(false);
  });

  it('accepts null only if it is listed', () => {
    expect(allowOrigins(['null'])('null')).toBe(true);
    expect(allowOrigins(['null'])(undefined)).toBe(false);
  });

  it('refuses every origin if the list is empty', () => {
    expect(allowOrigins([])('https://example.com')).toBe(false);
  });

  it.each([
    '*',
    'example.com',
    'https://example.com/',
    'https://example.com/path',
    'https://*.example.com/x',
    '',
    'https://',
  ])('refuses the entry %j', (entry) => {
    expect(() => allowOrigins([entry])).toThrow(/An allowed origin must be scheme:\/\/host/);
  });

  it('explains how to allow every origin if * is listed', () => {
    expect(() => allowOrigins(['*'])).toThrow(/leave origins unset/);
  });

  it('refuses an entry that is not a string', () => {
    expect(() => allowOrigins([null as unknown as string])).toThrow(TypeError);
  });

  it('accepts an origin as URL returns it, and no other one', () => {
    fc.assert(
      fc.property(fc.webUrl(), fc.webUrl(), (listed, asked) => {
        const rule = allowOrigins([new URL(listed).origin]);
        expect(rule(new URL(listed).origin)).toBe(true);
        expect(rule(new URL(asked).origin)).toBe(new URL(asked).origin === new URL(listed).origin);
      }),
    );
  });

  it('returns a result for any text, without throwing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (origin) => {
        expect(isAllowed(origin)).toBe(false);
      }),
    );
  });
});

describe('normalizeOrigin', () => {
  it.each([
    ['HTTPS://Example.COM:443', 'https://example.com'],
    ['http://example.com:80', 'http://example.com'],
    ['http://example.com:443', 'http://example.com:443'],
    ['ws://h:80', 'ws://h'],
    ['app://h:80', 'app://h:80'],
    ['null', 'null'],
    ['NULL', 'null'],
  ])('writes %s as %s', (origin, normalized) => {
    expect(normalizeOrigin(origin)).toBe(normalized);
  });
});
