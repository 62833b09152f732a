/** Opcodes, RFC 6455 §5.2. */
export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/**
 * Frame to be sent: any opcode, any reserved bits, and control frames of any length, because cases send invalid frames
 * on purpose.
 */
export interface OutgoingFrame {
  readonly opcode: number;
  readonly payload: Buffer;
  /** Default true. */
  readonly fin?: boolean;
  /** RSV1 is 4, RSV2 is 2, RSV3 is 1. */
  readonly rsv?: number;
}

/** Received frame; its payload is unmasked. */
export interface IncomingFrame {
  readonly opcode: number;
  readonly payload: Buffer;
  readonly fin: boolean;
  readonly rsv: number;
  readonly mask: Buffer | null;
}

/** True if frames with the opcode are control frames (§5.5). */
export const isControl = (opcode: number): boolean => (opcode & 8) !== 0;
