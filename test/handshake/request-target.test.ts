import fc from 'fast-check';
import { expect, it } from 'vitest';
import { pathOf } from '../../src/handshake/request-target.ts';

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
