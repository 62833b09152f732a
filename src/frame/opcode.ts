/** Opcodes of RFC 6455 (§5.2, §11.8). 3–7 and 11–15 are reserved. */
export const Opcode = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
} as const;

/** One of the six opcodes of RFC 6455 §5.2. */
export type Opcode = (typeof Opcode)[keyof typeof Opcode];

/** Opcode of a control frame (§5.5): every opcode that does not belong to a data frame (§5.6). */
export type ControlOpcode = Exclude<Opcode, typeof Opcode.continuation | typeof Opcode.text | typeof Opcode.binary>;

/** True if RFC 6455 §5.2 defines the opcode (0–15); false if the opcode is reserved. */
export function isKnownOpcode(opcode: number): opcode is Opcode {
  return opcode <= 0x2 || (opcode >= 0x8 && opcode <= 0xa);
}

/** True if the opcode (0–15) belongs to a control frame, which its highest bit tells (§5.5). */
export function isControlOpcode(opcode: number): boolean {
  return (opcode & 0x8) !== 0;
}
