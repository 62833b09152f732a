import { isUint8Array } from '../realm/kinds.ts';
import { asPrepared, type PreparedMessage } from './prepared-message.ts';

/**
 * Data that can be sent. Strings and numbers are sent as text, everything else as binary data unless `binary` is false.
 */
export type SendData =
  | string
  | number
  | Buffer
  | ArrayBuffer
  | SharedArrayBuffer
  | NodeJS.ArrayBufferView
  | ArrayBufferView
  | Blob
  | PreparedMessage
  // biome-ignore lint/suspicious/noExplicitAny: any array that Buffer.from accepts, as in `ws`
  | readonly any[]
  | { valueOf(): ArrayBuffer | SharedArrayBuffer | Uint8Array | readonly number[] | string }
  | { [Symbol.toPrimitive](hint: string): string };

/** True for a Blob, of any implementation. */
export function isBlob(data: unknown): data is Blob {
  if (typeof data !== 'object' || data === null || ArrayBuffer.isView(data)) return false;
  const candidate = data as Blob & { [Symbol.toStringTag]?: string };
  return (
    typeof candidate.arrayBuffer === 'function' &&
    typeof candidate.stream === 'function' &&
    typeof candidate.type === 'string' &&
    (candidate[Symbol.toStringTag] === 'Blob' || candidate[Symbol.toStringTag] === 'File')
  );
}

/**
 * Returns the octets to send: the data's own memory if it has any, not a copy. Empty for undefined, null and false, as
 * in `ws`.
 * @throws TypeError if `Buffer.from` does not accept the data.
 */
export function toOctets(data: SendData): Uint8Array {
  if (isUint8Array(data)) return data;
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  const prepared = asPrepared(data);
  if (prepared !== null) return prepared.octets;
  return Buffer.from((data || '') as string);
}

/** Number of octets of the data on the wire, without headers. */
export function octetLength(data: SendData): number {
  if (typeof data === 'string') return Buffer.byteLength(data);
  return isBlob(data) ? data.size : toOctets(data).length;
}
