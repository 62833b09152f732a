import { type Rules, readFrames, type WireFrame } from './frames.ts';

/** Events for an application, in order. */
export type Told =
  | { readonly kind: 'message'; readonly payload: Buffer; readonly isBinary: boolean; readonly isCompressed: boolean }
  | { readonly kind: 'ping' | 'pong'; readonly payload: Buffer }
  | { readonly kind: 'close'; readonly code: number; readonly payload: Buffer };

/** Expected events of an endpoint that only receives. */
export interface Hearing {
  readonly told: readonly Told[];
  readonly error: string | null;
}

/** True if a close frame may carry the code (§7.4). */
export function mayBeSent(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code);
}

/** Returns whether octets are complete UTF-8, a prefix of UTF-8, or neither (RFC 3629): code point by code point. */
export function readUtf8(octets: Buffer): 'whole' | 'begun' | 'wrong' {
  let at = 0;
  while (at < octets.length) {
    const first = octets[at]!;
    const size = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : 4;
    if (size === 4 && (first < 0xf0 || first > 0xf4)) return 'wrong';
    let most = first & (0xff >> (size === 1 ? 0 : size + 1));
    let least = most;
    for (let i = 1; i < size; i++) {
      const octet = octets[at + i];
      if (octet !== undefined && (octet < 0x80 || octet > 0xbf)) return 'wrong';
      least = least * 64 + (octet === undefined ? 0 : octet & 63);
      most = most * 64 + (octet === undefined ? 63 : octet & 63);
      // Wrong as soon as no continuation gives a code point of this size other than a surrogate.
      const rest = 64 ** (size - 1 - i);
      const [low, high] = [least * rest, most * rest + rest - 1];
      if (high < [0, 0, 0x80, 0x800, 0x10000][size]! || low > 0x10ffff || (low >= 0xd800 && high <= 0xdfff))
        return 'wrong';
    }
    if (at + size > octets.length) return 'begun';
    at += size;
  }
  return 'whole';
}

/** Applies the rules of §5.4–5.6, 7 and 8.1 to all frames, in order. `validates` is true if text must be UTF-8. */
export function hear(octets: Buffer, rules: Rules, validates: boolean): Hearing {
  const reading = readFrames(octets, rules);
  const told: Told[] = [];
  let parts: Buffer[] = [];
  let opening: WireFrame | null = null;

  for (const frame of [...reading.frames, ...(reading.begun === null ? [] : [reading.begun])]) {
    const isWhole = frame !== reading.begun;
    const { payload } = frame;
    const opcode = frame.first % 16;
    if (opcode === 8) {
      if (!isWhole) continue;
      const code = payload.length === 0 ? 1005 : payload.readUInt16BE(0);
      if (payload.length > 0 && !mayBeSent(code)) return { told, error: 'WS_ERR_INVALID_CLOSE_CODE' };
      if (validates && readUtf8(payload.subarray(2)) !== 'whole') return { told, error: 'WS_ERR_INVALID_UTF8' };
      told.push({ kind: 'close', code, payload: payload.subarray(2) });
      // Data behind a close frame is ignored.
      return { told, error: null };
    }
    if (opcode > 8) {
      if (isWhole) told.push({ kind: opcode === 9 ? 'ping' : 'pong', payload });
      continue;
    }
    opening ??= frame;
    parts.push(payload);
    const isBinary = opening.first % 16 === 2;
    const isCompressed = (opening.first & 64) !== 0;
    const ends = isWhole && frame.first >= 128;
    if (!isBinary && validates && !isCompressed) {
      const utf8 = readUtf8(Buffer.concat(parts));
      if (utf8 === 'wrong' || (ends && utf8 === 'begun')) return { told, error: 'WS_ERR_INVALID_UTF8' };
    }
    if (!ends) continue;
    told.push({ kind: 'message', payload: Buffer.concat(parts), isBinary, isCompressed });
    parts = [];
    opening = null;
  }
  return { told, error: reading.error };
}
