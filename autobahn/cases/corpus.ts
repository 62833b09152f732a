import { utf8 } from './payloads.ts';

/** Data of one type, from which messages are cut. */
export interface Corpus {
  readonly isBinary: boolean;
  /** Returns message number `index` of the messages with `size` bytes. Large messages repeat, as the same object. */
  readonly slice: (index: number, size: number) => Buffer;
}

/** Length of a corpus in bytes. Larger than any window and any message. */
const corpusSize = 256 * 1024;

/** Returns a generator of pseudorandom numbers from 0 to 1, which are the same for each run. */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    const mixed = Math.imul(state ^ (state >>> 12), 0x297a2d39);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

const pick = <T>(list: readonly T[], random: () => number): T => list[Math.floor(random() * list.length)] as T;

/** Joins text from `next` until the corpus is full. */
function textUntilFull(next: () => string): Buffer {
  const parts: string[] = [];
  let length = 0;
  while (length < corpusSize) {
    const part = next();
    parts.push(part);
    length += Buffer.byteLength(part);
  }
  return utf8(parts.join('')).subarray(0, corpusSize);
}

const fruits = ['apple', 'Birne', 'cherry', 'dátil', 'grapefruit', 'いちご', 'kiwi', 'limón', 'mango', 'Zwetschge'];
const places = ['Anklam', 'Bergen', 'Cádiz', 'Đà Nẵng', 'Kraków', 'Malmö', '長崎', 'Zürich'];

function json(): Buffer {
  const random = numbersFrom(1);
  let id = 0;
  return textUntilFull(() => {
    const row = {
      id: id++,
      goods: pick(fruits, random),
      market: pick(places, random),
      price: Math.round(random() * 10000) / 100,
      fresh: random() < 0.8,
      tags: Array.from({ length: Math.floor(random() * 4) }, () => pick(fruits, random)),
      crate: random() < 0.2 ? null : { width: Math.floor(random() * 80), depth: Math.floor(random() * 60) },
    };
    return `${JSON.stringify(row)},\n`;
  });
}

/** Returns a picture of 512 × 512 shades of grey with smooth transitions and a little noise. */
function picture(): Buffer {
  const random = numbersFrom(2);
  const octets = Buffer.alloc(corpusSize);
  for (let index = 0; index < corpusSize; index++) {
    const [x, y] = [index % 512, index >>> 9];
    const shade = 128 + 60 * Math.sin(x / 40) + 50 * Math.cos((y + x / 3) / 55) + random() * 6;
    octets[index] = Math.max(0, Math.min(255, shade));
  }
  return octets;
}

const subjects = [
  'Der Händler',
  'Die alte Gärtnerin',
  'Ein müder Fuhrmann',
  'Das Mädchen vom Fluß',
  'Niemand',
  'Jeder',
];
const verbs = ['trägt', 'verkauft', 'zählt', 'vergißt', 'lobt', 'wägt', 'verschenkt', 'sucht'];
const objects = ['süße Äpfel', 'den letzten Korb', 'drei Groschen', 'grüne Nüsse', 'das Kontobuch', 'frisches Öl'];
const times = ['am frühen Morgen', 'vor dem Tor', 'wenn es dämmert', 'ohne Eile', 'im Regen', 'über dem Markt'];

function prose(): Buffer {
  const random = numbersFrom(3);
  return textUntilFull(() => {
    const end = random() < 0.15 ? '.\n\n' : random() < 0.3 ? '; ' : '. ';
    return `${pick(subjects, random)} ${pick(verbs, random)} ${pick(objects, random)} ${pick(times, random)}${end}`;
  });
}

function html(): Buffer {
  const random = numbersFrom(4);
  let row = 0;
  return textUntilFull(() => {
    const name = pick(fruits, random);
    const price = (random() * 100).toFixed(2);
    return `  <tr class="${row % 2 === 0 ? 'even' : 'odd'}" id="row-${row++}">\n    <td><a href="/goods/${encodeURIComponent(name)}">${name}</a></td>\n    <td>${pick(places, random)}</td>\n    <td class="price">${price}&nbsp;€</td>\n  </tr>\n`;
  });
}

/** Returns text objects between incompressible streams, as in a document of printed pages. */
function document(): Buffer {
  const random = numbersFrom(5);
  const parts: Buffer[] = [];
  let length = 0;
  for (let number = 1; length < corpusSize; number++) {
    const stream = Buffer.from(Uint8Array.from({ length: 500 + Math.floor(random() * 4000) }, () => random() * 256));
    const head = `${number} 0 obj\n<< /Type /Page /Parent 1 0 R /Contents ${number + 1} 0 R /Length ${stream.length} >>\nstream\n`;
    const part = Buffer.concat([utf8(head), stream, utf8('\nendstream\nendobj\n')]);
    parts.push(part);
    length += part.length;
  }
  return Buffer.concat(parts).subarray(0, corpusSize);
}

const isContinuation = (octet: number | undefined): boolean => octet !== undefined && (octet & 0xc0) === 0x80;

/** Repairs text cut at any position: the rest of a split code point is replaced by spaces. */
function mend(octets: Buffer, next: number | undefined): Buffer {
  const cutsFirst = isContinuation(octets[0]);
  if (!cutsFirst && !isContinuation(next)) return octets;
  const mended = Buffer.from(octets);
  for (let index = 0; isContinuation(mended[index]); index++) mended[index] = 0x20;
  if (isContinuation(next)) {
    let index = mended.length - 1;
    while (isContinuation(mended[index])) mended[index--] = 0x20;
    if (index >= 0) mended[index] = 0x20;
  }
  return mended;
}

/** Minimum length in bytes of large messages. A corpus contains a few dozen of them. */
const largeSize = 32768;
const largeCount = 32;

/** Returns a corpus that is created on first use. */
function corpus(make: () => Buffer, isBinary: boolean): Corpus {
  let octets: Buffer | null = null;
  const large = new Map<number, Buffer[]>();
  const cut = (index: number, size: number): Buffer => {
    octets ??= make();
    // The step does not divide the length, so that each message starts at a different position.
    const offset = (index * (size + 1)) % (corpusSize - size);
    const message = octets.subarray(offset, offset + size);
    return isBinary ? message : mend(message, octets[offset + size]);
  };
  return {
    isBinary,
    slice: (index, size) => {
      if (size < largeSize) return cut(index, size);
      const messages = large.get(size) ?? [];
      large.set(size, messages);
      const place = index % largeCount;
      messages[place] ??= cut(place, size);
      return messages[place];
    },
  };
}

/** Corpora for the groups 12.1 to 12.5, in this order. */
export const corpora = {
  json: corpus(json, false),
  picture: corpus(picture, true),
  prose: corpus(prose, false),
  html: corpus(html, false),
  document: corpus(document, true),
} as const;
