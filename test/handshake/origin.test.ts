import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allowOrigins, normalizeOrigin } from '../../src/handshake/origin.ts';

const defaultPorts: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** Returns a URL with changed parts. */
function changed(url: string, parts: Partial<Pick<URL, 'protocol' | 'port' | 'pathname' | 'search'>>): string {
  return Object.assign(new URL(url), parts).href;
}

/** Changes only letter case, path, query and the spelling of the default port: the origin stays the same. */
const sameOrigin = (url: string): fc.Arbitrary<string> =>
  fc.tuple(fc.webPath(), fc.boolean(), fc.boolean()).map(([path, isUpper, hasPort]) => {
    const { protocol, hostname, port } = new URL(url);
    const authority = `${protocol}//${hostname}`;
    const written = port !== '' ? `:${port}` : hasPort ? `:${defaultPorts[protocol]}` : '';
    return `${isUpper ? authority.toUpperCase() : authority}${written}${path}`;
  });

/** Keeps the host, and changes the port or the scheme: another origin. */
const sameHost = (url: string): fc.Arbitrary<string> => {
  const { protocol, port } = new URL(url);
  const otherPort = fc.integer({ min: 1, max: 65_535 }).map((number) => changed(url, { port: String(number) }));
  const otherScheme = fc.constant(changed(url, { protocol: protocol === 'http:' ? 'https:' : 'http:', port }));
  return fc.oneof(otherPort, otherScheme);
};

/** Two URLs: the second is unrelated, or has the origin of the first, or only its host. Half have the same origin. */
const twoUrls: fc.Arbitrary<[listed: string, asked: string]> = fc
  .webUrl({ authoritySettings: { withPort: true }, validSchemes: ['http', 'https'] })
  .chain((listed) =>
    fc.tuple(
      fc.constant(listed),
      fc.oneof(
        { arbitrary: sameOrigin(listed), weight: 2 },
        { arbitrary: fc.webUrl(), weight: 1 },
        { arbitrary: sameHost(listed), weight: 1 },
      ),
    ),
  );

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
    const verdicts = { true: 0, false: 0 };
    fc.assert(
      fc.property(twoUrls, ([listed, asked]) => {
        const isSame = new URL(asked).origin === new URL(listed).origin;
        verdicts[`${isSame}`]++;
        const rule = allowOrigins([new URL(listed).origin]);
        expect(rule(new URL(listed).origin)).toBe(true);
        expect(rule(new URL(asked).origin)).toBe(isSame);
      }),
      { numRuns: 1000 },
    );
    // Otherwise a rule that refuses, or accepts, every other URL could pass.
    expect(Math.min(verdicts.true, verdicts.false)).toBeGreaterThan(250);
  });

  it('accepts an origin in capitals or with its default port written, and no other spelling of another one', () => {
    const verdicts = { true: 0, false: 0 };
    fc.assert(
      fc.property(twoUrls, fc.boolean(), fc.boolean(), ([listed, asked], isUpper, hasPort) => {
        const { origin, protocol, hostname, port } = new URL(asked);
        const isSame = origin === new URL(listed).origin;
        verdicts[`${isSame}`]++;
        const written = hasPort ? `${protocol}//${hostname}:${port || defaultPorts[protocol]}` : origin;
        const rule = allowOrigins([new URL(listed).origin]);
        expect(rule(isUpper ? written.toUpperCase() : written)).toBe(isSame);
      }),
      { numRuns: 1000 },
    );
    expect(Math.min(verdicts.true, verdicts.false)).toBeGreaterThan(250);
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
