import * as crypto from 'node:crypto';

/**
 * GUID that the server appends to the key. Only a server that implements the WebSocket protocol can give the answer
 * (§1.3).
 */
const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

type Sha1 = (text: string) => string;

/**
 * Returns the fastest function for SHA-1 in base64 that the runtime has. `crypto.hash` creates no Hash object, which
 * makes handshakes faster. Exported so that a test can compare the two ways.
 */
export function sha1With(runtime: {
  readonly hash?: typeof crypto.hash;
  readonly createHash: typeof crypto.createHash;
}): Sha1 {
  const { hash, createHash } = runtime;
  if (typeof hash === 'function') return (text) => hash('sha1', text, 'base64');
  return (text) => createHash('sha1').update(text).digest('base64');
}

const sha1 = sha1With(crypto);

/**
 * Returns the `Sec-WebSocket-Accept` value (28 characters) for a `Sec-WebSocket-Key` (RFC 6455 §1.3, §4.2.2 step 5.4).
 */
export function acceptKey(key: string): string {
  return sha1(key + guid);
}
