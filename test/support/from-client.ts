import { encodeFrame, type Opcode } from '../../src/protocol.ts';

/** Returns a client's frame, masked with a key of four different octets. */
export function fromClient(opcode: number, payload: string | Uint8Array = '', fin = true): Buffer {
  return encodeFrame(opcode as Opcode, Buffer.from(payload as string), { fin, key: 0x1f2e3d4c });
}

/** Returns a server's frame. */
export function fromServer(opcode: number, payload: string | Uint8Array = '', fin = true): Buffer {
  return encodeFrame(opcode as Opcode, Buffer.from(payload as string), { fin });
}

/** Returns a client's frame with a short text. */
export function textFrame(text: string): string {
  return `\x81${String.fromCharCode(0x80 | text.length)}\0\0\0\0${text}`;
}
