import type { Opcode } from './opcode.ts';

/** What the header of a frame says (§5.2), but for the masking key. */
export interface FrameHeader {
  readonly opcode: Opcode;
  /** Whether it is the last (or only) frame of its message. */
  readonly fin: boolean;
  /** RSV1: the message is compressed, if permessage-deflate was negotiated (RFC 7692 §6). */
  readonly rsv1: boolean;
  /** Octets of payload, 0 to 2^53-1. */
  readonly length: number;
}

/** A frame with its payload, unmasked. */
export interface Frame extends FrameHeader {
  readonly payload: Buffer;
}

/** Which end of the connection somebody is. A client masks what it sends (§5.1). */
export type Role = 'client' | 'server';
