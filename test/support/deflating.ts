import { deflateRawSync, constants as zlib } from 'node:zlib';
import type { DeflateAgreement } from '../../src/extension/deflate-negotiation.ts';
import { endTurn, waitForTurn } from '../../src/extension/zlib-turns.ts';
import { encodeFrame, type Opcode } from '../../src/protocol.ts';

/** An agreement by which each message is compressed by itself. */
export const noTakeover: DeflateAgreement = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

/** An agreement by which messages may refer to those before them. */
export const takeover: DeflateAgreement = {
  ...noTakeover,
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
};

/** A message as a compressor that knows nothing of this package makes it (RFC 7692 §7.2.1). */
export function deflated(data: string | Uint8Array): Buffer {
  return deflateRawSync(data, { finishFlush: zlib.Z_SYNC_FLUSH }).subarray(0, -4);
}

/** How a frame differs from a whole message that a client has compressed. */
interface Differences {
  readonly fin?: boolean;
  readonly rsv1?: boolean;
}

/** A frame with octets that were compressed, as a client sends it. */
export function deflatedFrame(
  opcode: number,
  octets: Uint8Array,
  { fin = true, rsv1 = true }: Differences = {},
): Buffer {
  return encodeFrame(opcode as Opcode, octets, { fin, rsv1, key: 0x1f2e3d4c });
}

/** A compressed message in one frame, as a client sends it. */
export function compressed(data: string | Uint8Array): Buffer {
  return deflatedFrame(typeof data === 'string' ? 1 : 2, deflated(data));
}

/** Holds a turn of zlib's threads, so that no connection whose `concurrencyLimit` is 1 begins to use them before it is given back. */
export function holdTurn(): Disposable {
  waitForTurn({ concurrencyLimit: Number.POSITIVE_INFINITY, nextWaiter: null, begin: () => true });
  let isHeld = true;
  return {
    [Symbol.dispose]() {
      if (isHeld) endTurn();
      isHeld = false;
    },
  };
}

/** Whether nothing uses zlib's threads, and nothing waits to. */
export function areTurnsFree(): boolean {
  let hasBegun = false;
  const begin = () => {
    hasBegun = true;
    return false;
  };
  // It begins within the call if nobody has a turn, and nobody is before it.
  waitForTurn({ concurrencyLimit: 1, nextWaiter: null, begin });
  return hasBegun;
}
