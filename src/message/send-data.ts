import { PreparedMessage } from './prepared-message.ts';

/** What can be sent. Strings and numbers go as text, everything else as binary data unless `binary: false` says otherwise. */
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
  // biome-ignore lint/suspicious/noExplicitAny: what Buffer.from takes, which is what programs written for `ws` may pass
  | readonly any[]
  | { valueOf(): ArrayBuffer | SharedArrayBuffer | Uint8Array | readonly number[] | string }
  | { [Symbol.toPrimitive](hint: string): string };

/** Whether it is a Blob, of whatever implementation. */
export function isBlob(data: unknown): data is Blob {
  if (data instanceof Blob) return true;
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
 * The octets of what is sent: those that it holds, without a copy, where it holds any; none for undefined, null and false, as in `ws`.
 * @throws TypeError if it is nothing that `Buffer.from` takes.
 */
export function toOctets(data: SendData): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (data instanceof PreparedMessage) return data.octets;
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  return Buffer.from((data || '') as string);
}

/** How many octets it would be on the wire, without headers. */
export function octetLength(data: SendData): number {
  if (typeof data === 'string') return Buffer.byteLength(data);
  return isBlob(data) ? data.size : toOctets(data).length;
}
