import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SlidingWindow } from '../../src/extension/sliding-window.ts';

describe('a SlidingWindow', () => {
  it('is empty at first, and again after a clear', () => {
    const window = new SlidingWindow(8);
    expect(window.copy()).toBeUndefined();
    window.push(Buffer.alloc(0));
    expect(window.copy()).toBeUndefined();
    window.push(Buffer.from('abc'));
    window.clear();
    expect(window.copy()).toBeUndefined();
    window.push(Buffer.from('d'));
    expect(String(window.copy())).toBe('d');
  });

  it('holds the last octets of everything pushed, in any division', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 8 }), (pieces) => {
        const window = new SlidingWindow(8);
        for (const piece of pieces) window.push(piece);
        expect(Buffer.concat([window.copy() ?? Buffer.alloc(0)])).toEqual(Buffer.concat(pieces).subarray(-256));
      }),
    );
  });

  it('returns a copy, which later octets do not change', () => {
    const window = new SlidingWindow(8);
    window.push(Buffer.from('abc'));
    const copy = window.copy();
    window.push(Buffer.alloc(256, 'x'));
    expect(String(copy)).toBe('abc');
  });
});
