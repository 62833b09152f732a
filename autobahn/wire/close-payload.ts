import { isUtf8 } from 'node:buffer';
import { Violation } from './violation.ts';

export interface CloseStatus {
  readonly code: number | null;
  readonly reason: string | null;
}

/** Returns the payload of a close frame (§5.5.1); without a code it is empty. */
export function encodeClose(code: number | null, reason: string | Buffer = ''): Buffer {
  if (code === null) return Buffer.alloc(0);
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return Buffer.concat([head, Buffer.from(reason)]);
}

/** Reads the payload of a close frame, valid or not. */
export function readClose(payload: Buffer): CloseStatus {
  if (payload.length < 2) return { code: null, reason: null };
  return { code: payload.readUInt16BE(0), reason: payload.length > 2 ? payload.toString('utf8', 2) : null };
}

/** True if an endpoint may send the code: those of the IANA registry, and 3000 to 4999 (§7.4). */
export const isSendable = (code: number): boolean =>
  (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999);

/**
 * Checks the payload of a peer's close frame (§5.5.1, §7.4).
 *
 * @throws {Violation} It is a single octet, has a code that must not be sent, or a reason that is not UTF-8.
 */
export function checkClose(payload: Buffer): void {
  if (payload.length === 0) return;
  if (payload.length === 1) throw new Violation('a close frame has a payload of one octet (§5.5.1)');
  const code = payload.readUInt16BE(0);
  if (!isSendable(code)) throw new Violation(`a close frame has the code ${code}, which must not be sent (§7.4)`);
  if (!isUtf8(payload.subarray(2))) throw new Violation('the reason of a close frame is not UTF-8 (§5.5.1)', 1007);
}
