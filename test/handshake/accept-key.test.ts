import * as crypto from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { acceptKey, sha1With } from '../../src/handshake/accept-key.ts';

describe('acceptKey', () => {
  it('returns the example of RFC 6455 §1.3', () => {
    expect(acceptKey('dGhlIHNhbXBsZSBub25jZQ==')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  });

  it('returns 28 characters of base64 for any key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (octets) => {
        expect(acceptKey(Buffer.from(octets).toString('base64'))).toMatch(/^[A-Za-z0-9+/]{27}=$/);
      }),
    );
  });

  it('returns the same on a runtime without crypto.hash', () => {
    const slow = sha1With({ createHash: crypto.createHash });
    const quick = sha1With(crypto);
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(slow(text)).toBe(quick(text));
      }),
    );
  });
});
