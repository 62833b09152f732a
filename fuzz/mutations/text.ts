import type { Random } from '../random.ts';
import { maxLength, mutateOctets } from './octets.ts';

/** Words with a meaning in the fields of an opening handshake, or similar ones. */
const words = [
  'websocket',
  'Upgrade',
  'keep-alive',
  'close',
  '13',
  '8',
  '7',
  '08',
  '1e1',
  '0',
  '-1',
  '99',
  'permessage-deflate',
  'permessage-bzip',
  'server_no_context_takeover',
  'client_no_context_takeover',
  'server_max_window_bits',
  'client_max_window_bits',
  '=',
  '=8',
  '=15',
  '=16',
  '="',
  '"',
  '""',
  '"10"',
  '\\',
  '\\"',
  ',',
  ';',
  ', ',
  '; ',
  ' ',
  '\t',
  '\r\n',
  '\n',
  '\r',
  '\0',
  ':',
  '/',
  '?',
  '#',
  '@',
  '__proto__',
  'constructor',
  'toString',
  'chat',
  'superchat',
  'null',
  'https://example.com',
  'http://localhost:80',
  'ws://',
  'wss://a:1@[::1]:443/%zz',
  'é',
  'ß',
  '\x7f',
  'dGhlIHNhbXBsZSBub25jZQ==',
  's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
  'GET',
  'POST',
  'HTTP/1.1',
  'HTTP/1.0',
  '101',
  '200',
  '302',
  'Host',
  'Connection',
  'Origin',
  'Sec-WebSocket-Key',
  'Sec-WebSocket-Version',
  'Sec-WebSocket-Protocol',
  'Sec-WebSocket-Extensions',
  'Sec-WebSocket-Accept',
  'Transfer-Encoding: chunked',
  'Content-Length: 5',
];

/** Changes latin1 text: its lines, its words, or its bytes. */
export function mutateText(random: Random, octets: Buffer, other: Buffer): Buffer {
  const kind = random.below(5);
  if (kind === 0) return mutateOctets(random, octets, other);
  const text = octets.toString('latin1');
  const otherText = other.toString('latin1');
  return Buffer.from(
    kind === 1 ? changeLines(random, text, otherText) : changeWords(random, text, otherText),
    'latin1',
  ).subarray(0, maxLength);
}

function changeLines(random: Random, text: string, other: string): string {
  const lines = text.split('\r\n');
  const at = random.below(lines.length);
  const line = lines[at]!;
  switch (random.below(5)) {
    case 0:
      lines.splice(at, 1);
      break;
    case 1:
      lines.splice(at, 0, ...Array<string>(random.oneIn(20) ? 300 : 1).fill(line));
      break;
    case 2:
      lines.splice(random.below(lines.length), 0, ...lines.splice(at, 1));
      break;
    case 3:
      lines.splice(at, 0, random.pick(other.split('\r\n')));
      break;
    default:
      lines[at] = random.oneIn(2) ? line.toLowerCase() : line.toUpperCase();
  }
  return lines.join('\r\n');
}

function changeWords(random: Random, text: string, other: string): string {
  const parts = text.split(/\b|(?=[,;="\s])/);
  const at = random.below(parts.length + 1);
  const word = random.oneIn(10) ? random.pick(other.split(/\b/)) : random.pick(words);
  switch (random.below(4)) {
    case 0:
      parts.splice(at, 1);
      break;
    case 1:
      parts.splice(at, 1, word);
      break;
    case 2:
      parts.splice(at, 0, ...Array<string>(random.oneIn(30) ? random.between(2, 500) : 1).fill(word));
      break;
    default:
      parts.splice(at, 0, ...parts.slice(at, at + random.between(1, 6)));
  }
  return parts.join('');
}

/** Changes whole requests or responses, and what stands between them: removes some, adds one of `parts`, or changes octets. */
export function mutateParts(random: Random, octets: Buffer, other: Buffer, parts: readonly string[]): Buffer {
  if (random.oneIn(2)) return mutateText(random, octets, other);
  const text = octets.toString('latin1');
  // Most requests and responses end behind an empty line.
  const ends = [0, ...[...text.matchAll(/\r\n\r\n/g)].map(({ index }) => index + 4), text.length];
  const [from, to] = [random.pick(ends), random.pick(ends)].sort((a, b) => a - b) as [number, number];
  const changed = random.oneIn(3)
    ? text.slice(0, from) + text.slice(to)
    : text.slice(0, from) + random.pick(parts) + text.slice(from);
  return Buffer.from(changed, 'latin1').subarray(0, maxLength);
}
