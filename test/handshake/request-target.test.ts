import fc from 'fast-check';
import { expect, it } from 'vitest';
import { authorityOf, isHost, isTarget, pathOf, useHostOfTarget } from '../../src/handshake/request-target.ts';

it.each([
  ['/chat', '/chat'],
  ['/chat?x=1', '/chat'],
  ['/chat?', '/chat'],
  ['/a?b?c', '/a'],
  ['/', '/'],
  ['//chat', '//chat'],
  ['/%63hat', '/%63hat'],
  ['/chat#f', '/chat#f'],
  ['http://x/chat', '/chat'],
  ['HTTPS://user@x:8443/chat?y', '/chat'],
  ['ws://x/chat', '/chat'],
  ['wss://[::1]:81/chat', '/chat'],
  ['http://x', '/'],
  ['http://x?y', '/'],
  ['http://x//chat', '//chat'],
  ['http:/x/chat', 'http:/x/chat'],
  ['ftp://x/chat', 'ftp://x/chat'],
  ['/http://x/chat', '/http://x/chat'],
  ['*', '*'],
  ['', ''],
])('the path of the request target %j is %j', (target, path) => {
  expect(pathOf(target)).toBe(path);
});

it('a target has the same path in origin form and in absolute form', () => {
  const segment = fc.string({ unit: fc.constantFrom('a', 'B', '%', '.', ':', '@', '-'), maxLength: 4 });
  const path = fc.array(segment).map((segments) => `/${segments.join('/')}`);
  fc.assert(
    fc.property(path, fc.constantFrom('', '?', '?a=/b', '??'), (given, query) => {
      expect(pathOf(`${given}${query}`)).toBe(given);
      expect(pathOf(`http://host:80${given}${query}`)).toBe(given);
    }),
  );
});

it.each([
  ['http://x/chat', 'x'],
  ['HTTPS://user:word@x:8443?y', 'x:8443'],
  ['wss://[::1]:81', '[::1]:81'],
  ['http://a@b@c/', 'c'],
  ['http:///x', ''],
  ['/http://x', undefined],
  ['x:80', undefined],
  ['*', undefined],
])('the authority of the request target %j is %j', (target, authority) => {
  expect(authorityOf(target)).toBe(authority);
});

it.each([
  ['/', true],
  ['//x', true],
  ['', true],
  ['?x', true],
  ['chat', true],
  ['http://x', true],
  ['WS://x:80/', true],
  ['*', false],
  ['room:1', true],
  ['http:x', true],
  ['ftp://x/', false],
  ['http://', false],
  ['http://user@/', false],
  ['http://a,"b"/', false],
])('the request target %j is valid: %j', (target, isValid) => {
  expect(isTarget(target)).toBe(isValid);
});

it.each([
  ['x', true],
  ['a-b.c_d~e:', true],
  ['%41', true],
  ['[::1]:8080', true],
  ['[fe80::1%25en0]', true],
  ['[v1.x]', true],
  ['', false],
  [':80', false],
  ['x:y', false],
  ['x:80:80', false],
  ['x/y', false],
  ['a@x', false],
  ['a b', false],
  ['x\n', false],
  ['[]', false],
  ['[::1', false],
  ['é', false],
])('%j is a host: %j', (text, is) => {
  expect(isHost(text)).toBe(is);
});

it.each<[string, string | undefined, object | undefined, object | undefined]>([
  ['in absolute form replaces the Host', 'http://u@x:81/', { host: 'y' }, { host: 'x:81' }],
  ['in absolute form adds no Host', 'http://x/', { a: 'b' }, { a: 'b' }],
  ['in absolute form without a host replaces nothing', 'http:///', { host: 'y' }, { host: 'y' }],
  ['in absolute form of a request without fields is ignored', 'http://x/', undefined, undefined],
  ['in absolute form does not change frozen fields', 'http://x/', Object.freeze({ host: 'y' }), { host: 'y' }],
  ['in origin form leaves the Host', '/', { host: 'y' }, { host: 'y' }],
  ['that is missing leaves the Host', undefined, { host: 'y' }, { host: 'y' }],
])('a request target %s', (_title, url, headers, expected) => {
  useHostOfTarget({ url, ...(headers && { headers }) });
  expect(headers).toEqual(expected);
});
