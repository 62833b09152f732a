import { describe, expect, test } from 'vitest';
import { EXPECTED, parseAgainst, parseAllAgainst } from '../../bench/against.js';

const isFile = (path: string): boolean => path === 'dist/index.js' || path === 'main';

describe('--against', () => {
  test.each([
    ['old=../old/dist/index.js', { kind: 'build', name: 'old', entry: '../old/dist/index.js' }],
    ['old=/a=b/index.js', { kind: 'build', name: 'old', entry: '/a=b/index.js' }],
    ['dist/index.js', { kind: 'build', name: 'dist/index.js', entry: 'dist/index.js' }],
    ['main', { kind: 'build', name: 'main', entry: 'main' }],
    ['HEAD~3', { kind: 'ref', ref: 'HEAD~3' }],
    ['v1.0.0', { kind: 'ref', ref: 'v1.0.0' }],
    ['feature/faster', { kind: 'ref', ref: 'feature/faster' }],
    ['f4e251a', { kind: 'ref', ref: 'f4e251a' }],
  ])('%s is %o', (value, parsed) => {
    expect(parseAgainst(value, isFile)).toEqual(parsed);
  });

  test.each(['', ' ', '=', '=dist/index.js', 'old=', '-x', '--output'])('"%s" is refused', (value) => {
    expect(() => parseAgainst(value, isFile)).toThrow(new RangeError(`${EXPECTED}, got "${value}"`));
  });

  test('may be given several times, with one git ref at most', () => {
    expect(parseAllAgainst([], isFile)).toEqual({ builds: [], ref: undefined });
    expect(parseAllAgainst(['a=1.js', 'HEAD', 'b=2.js'], isFile)).toEqual({
      builds: [
        { kind: 'build', name: 'a', entry: '1.js' },
        { kind: 'build', name: 'b', entry: '2.js' },
      ],
      ref: 'HEAD',
    });
    expect(() => parseAllAgainst(['HEAD', 'HEAD~1'], isFile)).toThrow(
      new RangeError('--against expects at most one git ref, got HEAD, HEAD~1'),
    );
  });
});
