import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';

/** Maximum length of the head of a request or response in octets. */
export const maxHeadLength = 16 * 1024;

/** Head of an HTTP message: its first line, and its fields in order, with names in lower case. */
export interface HttpHead {
  readonly startLine: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/**
 * Error for a failed opening handshake. `connect`: TCP failed. `refused`: the peer refused in HTTP. `late`: the peer
 * did not answer in time.
 */
export class OpeningError extends Error {
  override readonly name = 'OpeningError';
  readonly kind: 'connect' | 'refused' | 'late' | 'invalid';

  constructor(message: string, kind: 'connect' | 'refused' | 'late' | 'invalid' = 'invalid', options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

const end = Buffer.from('\r\n\r\n');

/**
 * Returns the length of the head, including its empty line; -1 if it is incomplete.
 *
 * @throws {OpeningError} The head is longer than the maximum.
 */
export function headLength(octets: Buffer): number {
  const index = octets.indexOf(end);
  const isTooLong = index === -1 ? octets.length >= maxHeadLength : index + end.length > maxHeadLength;
  if (isTooLong) throw new OpeningError(`the head of the handshake is longer than ${maxHeadLength} octets`);
  return index === -1 ? -1 : index + end.length;
}

/** @throws {OpeningError} A line is not a field. */
export function parseHead(text: string): HttpHead {
  const [startLine = '', ...lines] = text.replace(/\r\n\r\n$/, '').split('\r\n');
  const fields = lines.map((line) => {
    const match = /^([!#$%&'*+\-.^_`|~\w]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    if (match === null) throw new OpeningError(`the handshake has an invalid header line: ${JSON.stringify(line)}`);
    return [(match[1] as string).toLowerCase(), match[2] as string] as const;
  });
  return { startLine, fields };
}

/** Returns the value of a field, or the values of repeated fields joined by commas; null if there is none. */
export function field(head: HttpHead, name: string): string | null {
  const values = head.fields.filter(([key]) => key === name).map(([, value]) => value);
  return values.length === 0 ? null : values.join(', ');
}

/** True if a field is a list that contains the token, in any case. */
export const hasToken = (head: HttpHead, name: string, token: string): boolean =>
  (field(head, name) ?? '').split(',').some((item) => item.trim().toLowerCase() === token);

/** Returns the expected `Sec-WebSocket-Accept` for a key (§4.2.2). */
export const acceptFor = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
