import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';

/** Octets that the head of a request or response may have. */
export const maxHeadLength = 16 * 1024;

/** The head of an HTTP message: its first line, and its fields with names in lower case, in their order. */
export interface HttpHead {
  readonly startLine: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** The opening handshake did not come about. `connect`: not even TCP did. `refused`: the peer said no in HTTP. `late`: it said nothing in time. */
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
 * Where the head ends, which is behind its empty line; -1 while it is not there.
 *
 * @throws {OpeningError} It is longer than a head may be.
 */
export function headLength(octets: Buffer): number {
  const index = octets.indexOf(end);
  const isTooLong = index === -1 ? octets.length >= maxHeadLength : index + end.length > maxHeadLength;
  if (isTooLong) throw new OpeningError(`the head of the handshake is longer than ${maxHeadLength} octets`);
  return index === -1 ? -1 : index + end.length;
}

/** @throws {OpeningError} A line is no field. */
export function parseHead(text: string): HttpHead {
  const [startLine = '', ...lines] = text.replace(/\r\n\r\n$/, '').split('\r\n');
  const fields = lines.map((line) => {
    const match = /^([!#$%&'*+\-.^_`|~\w]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    if (match === null) throw new OpeningError(`the handshake has a line that is no field: ${JSON.stringify(line)}`);
    return [(match[1] as string).toLowerCase(), match[2] as string] as const;
  });
  return { startLine, fields };
}

/** The value of a field, of several the values with commas between; null when there is none. */
export function field(head: HttpHead, name: string): string | null {
  const values = head.fields.filter(([key]) => key === name).map(([, value]) => value);
  return values.length === 0 ? null : values.join(', ');
}

/** Whether a field is a list that has the token, in whatever case. */
export const hasToken = (head: HttpHead, name: string, token: string): boolean =>
  (field(head, name) ?? '').split(',').some((item) => item.trim().toLowerCase() === token);

/** What `Sec-WebSocket-Accept` has to be for a key (§4.2.2). */
export const acceptFor = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
