import { encodeFrame, type Opcode } from '../../src/protocol.ts';

/** A frame as a client sends it, masked with a key in which every octet counts. */
export function fromClient(opcode: number, payload: string | Uint8Array = '', fin = true): Buffer {
  return encodeFrame(opcode as Opcode, Buffer.from(payload as string), { fin, key: 0x1f2e3d4c });
}

/** A frame as a server sends it. */
export function fromServer(opcode: number, payload: string | Uint8Array = '', fin = true): Buffer {
  return encodeFrame(opcode as Opcode, Buffer.from(payload as string), { fin });
}
