import type { FrameWriter } from '../frame/frame-writer.ts';
import { Opcode } from '../frame/opcode.ts';

/**
 * Writes a message as one frame, or a fragment of a message (§5.4, §6.1).
 * @param data Text may be given as octets, which are not checked to be UTF-8.
 * @param isContinued True if the message has begun: the frame is then a continuation, whatever its type.
 * @param fin True if the message ends with this frame.
 * @returns Number of payload octets.
 */
export function writeMessage(
  writer: FrameWriter,
  data: string | Uint8Array,
  isBinary: boolean,
  isContinued: boolean,
  fin: boolean,
  masked: boolean = writer.masked,
): number {
  const opcode = isContinued ? Opcode.continuation : isBinary ? Opcode.binary : Opcode.text;
  if (typeof data === 'string') return writer.writeText(opcode, data, fin, masked);
  writer.write(opcode, data, fin, false, masked);
  return data.length;
}
