import { deflateRawSync, constants as zlib } from 'node:zlib';
import type { DeflateAgreement } from '../../src/extension/deflate-negotiation.ts';
import { ZlibTurn } from '../../src/extension/zlib-concurrency.ts';
import { encodeFrame, type Opcode } from '../../src/protocol.ts';

/** Agreement without context takeover: each message is compressed separately. */
export const noTakeover: DeflateAgreement = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

/** Agreement with context takeover: messages may refer to earlier ones. */
export const takeover: DeflateAgreement = {
  ...noTakeover,
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
};

/** Returns a message compressed by zlib itself, independently of this package (RFC 7692 §7.2.1). */
export function deflated(data: string | Uint8Array): Buffer {
  return deflateRawSync(data, { finishFlush: zlib.Z_SYNC_FLUSH }).subarray(0, -4);
}

/** Differences of a frame from a whole compressed message of a client. */
interface Differences {
  readonly fin?: boolean;
  readonly rsv1?: boolean;
}

/** Returns a client's frame with compressed octets. */
export function deflatedFrame(
  opcode: number,
  octets: Uint8Array,
  { fin = true, rsv1 = true }: Differences = {},
): Buffer {
  return encodeFrame(opcode as Opcode, octets, { fin, rsv1, key: 0x1f2e3d4c });
}

/** Returns a client's frame with a whole compressed message. */
export function compressed(data: string | Uint8Array): Buffer {
  return deflatedFrame(typeof data === 'string' ? 1 : 2, deflated(data));
}

/** Takes a zlib slot until it is disposed. Until then no connection with a `concurrencyLimit` of 1 starts a zlib job. */
export function holdZlibSlot(): Disposable {
  const turn = new ZlibTurn({ run() {}, restart() {} }, 'deflate', Number.POSITIVE_INFINITY);
  turn.request(0);
  return { [Symbol.dispose]: () => turn.end() };
}

/** True if no zlib job runs or waits for a slot. */
export function areZlibSlotsFree(): boolean {
  let hasBegun = false;
  const run = () => {
    hasBegun = true;
  };
  const turn = new ZlibTurn({ run, restart() {} }, 'deflate', 1);
  // Starts within this call if no slot is taken and no job is queued.
  turn.request(0);
  turn.end();
  return hasBegun;
}
