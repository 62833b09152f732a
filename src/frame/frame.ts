import type { Opcode } from './opcode.ts';

/** Fields of a frame's header (§5.2), without the masking key. */
export interface FrameHeader {
  readonly opcode: Opcode;
  /** True for the last (or only) frame of a message. */
  readonly fin: boolean;
  /** RSV1: set on the first frame of a compressed message if permessage-deflate was negotiated (RFC 7692 §6). */
  readonly rsv1: boolean;
  /** Number of payload octets, 0 to 2^53-1. */
  readonly length: number;
}

/** A frame with its payload, unmasked. */
export interface Frame extends FrameHeader {
  readonly payload: Buffer;
}

/** Role of an endpoint. A client masks the frames that it sends (§5.1). */
export type Role = 'client' | 'server';
