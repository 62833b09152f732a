import { constants, deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { corpora } from '../../../autobahn/cases/corpus.ts';
import { Deflater, Inflater } from '../../../autobahn/wire/deflate.ts';
import { acceptDeflate, checkAgreement, offerDeflate } from '../../../autobahn/wire/deflate-agreement.ts';
import { OpeningError } from '../../../autobahn/wire/http-head.ts';
import { Violation } from '../../../autobahn/wire/violation.ts';

const directions = [8, 9, 12, 15].flatMap((windowBits) =>
  [true, false].map((noContextTakeover) => ({ windowBits, noContextTakeover })),
);

describe.each(directions)('a direction with $windowBits bits, alone $noContextTakeover', (direction) => {
  test.each(Object.keys(corpora))('inflates its own output to the original: %s', (name) => {
    const corpus = corpora[name as keyof typeof corpora];
    const deflater = new Deflater(direction);
    const inflater = new Inflater(direction, 2 ** 17);
    const sizes = [0, 1, 16, 300, 5000, 131072, 131072, 16, 40000, 131072];
    for (const [index, size] of sizes.entries()) {
      const message = corpus.slice(index, size);
      expect(inflater.inflate(deflater.deflate(message)).equals(message)).toBe(true);
    }
  });
});

test('deflates large messages, repeated in the same order, to data that any inflater reads', () => {
  const direction = { windowBits: 15, noContextTakeover: false };
  const deflater = new Deflater(direction);
  const inflater = new Inflater(direction, 2 ** 17);
  for (let index = 0; index < 100; index++) {
    const message = corpora.json.slice(index, 32768);
    expect(inflater.inflate(deflater.deflate(message)).equals(message)).toBe(true);
  }
});

test('the examples of RFC 7692 §7.2.3.1 and .2', () => {
  const direction = { windowBits: 15, noContextTakeover: false };
  const inflater = new Inflater(direction, 1000);
  expect(inflater.inflate(Buffer.from('f248cdc9c90700', 'hex')).toString()).toBe('Hello');
  expect(inflater.inflate(Buffer.from('f200110000', 'hex')).toString()).toBe('Hello');
});

describe('the inflater enforces the agreement', () => {
  const text = Buffer.from('a sentence that is worth referring to');
  const referring = deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH, dictionary: text }).subarray(0, -4);

  test('on a message that refers to the previous one without context takeover', () => {
    const alone = new Inflater({ windowBits: 15, noContextTakeover: true }, 1000);
    alone.inflate(new Deflater({ windowBits: 15, noContextTakeover: true }).deflate(text));
    expect(() => alone.inflate(referring)).toThrow(Violation);
  });

  test('on a reference beyond the window', () => {
    const message = Buffer.concat([text, corpora.document.slice(0, 4000), text]);
    const wide = new Deflater({ windowBits: 15, noContextTakeover: true }).deflate(message);
    const narrow = new Inflater({ windowBits: 9, noContextTakeover: true }, 10_000);
    expect(() => narrow.inflate(wide)).toThrow(/cannot be inflated/);
  });

  test('on invalid DEFLATE data', () => {
    expect(() =>
      new Inflater({ windowBits: 15, noContextTakeover: true }, 1000).inflate(Buffer.of(0xff, 0xff)),
    ).toThrow(expect.objectContaining({ name: 'Violation', closeCode: 1007 }));
  });

  test('on a message that inflates beyond the limit, before it takes the memory', () => {
    const bomb = new Deflater({ windowBits: 15, noContextTakeover: true }).deflate(Buffer.alloc(2 ** 24));
    expect(() => new Inflater({ windowBits: 15, noContextTakeover: true }, 2 ** 16).inflate(bomb)).toThrow(
      expect.objectContaining({ name: 'Violation', closeCode: 1009 }),
    );
  });
});

const wish = (noContextTakeover: boolean, maxWindowBits: number) => ({ noContextTakeover, maxWindowBits });
const nothing = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

test('offers state the wishes in order', () => {
  expect(offerDeflate([wish(true, 9), wish(false, 0)])).toBe(
    'permessage-deflate; client_max_window_bits; server_no_context_takeover; server_max_window_bits=9, permessage-deflate; client_max_window_bits',
  );
});

describe('the response of a server', () => {
  test.each([
    [null, [wish(false, 0)], null],
    ['permessage-deflate', [wish(false, 0)], nothing],
    ['permessage-deflate; client_max_window_bits=10', [wish(false, 0)], { ...nothing, clientMaxWindowBits: 10 }],
    ['permessage-deflate; server_max_window_bits="9"', [wish(false, 9)], { ...nothing, serverMaxWindowBits: 9 }],
    ['permessage-deflate; server_max_window_bits=8', [wish(false, 9)], { ...nothing, serverMaxWindowBits: 8 }],
    ['permessage-deflate', [wish(false, 15)], nothing],
    ['permessage-deflate', [wish(true, 9), wish(false, 0)], nothing],
    ['permessage-deflate; client_no_context_takeover', [wish(false, 0)], { ...nothing, clientNoContextTakeover: true }],
  ])('%s to %j', (response, wishes, agreement) => {
    expect(checkAgreement(response, wishes)).toEqual(agreement);
  });

  test.each([
    ['an extension that was not offered', 'permessage-deflate', []],
    ['another extension', 'permessage-bzip', [wish(false, 0)]],
    ['two extensions', 'permessage-deflate, permessage-deflate', [wish(false, 0)]],
    ['a window that is wider than asked', 'permessage-deflate; server_max_window_bits=15', [wish(false, 9)]],
    ['a window that is left out', 'permessage-deflate', [wish(false, 9)]],
    ['context that was not to be kept', 'permessage-deflate; server_max_window_bits=9', [wish(true, 9)]],
    ['a window of 16 bits', 'permessage-deflate; client_max_window_bits=16', [wish(false, 0)]],
    ['a window without a number', 'permessage-deflate; server_max_window_bits', [wish(false, 0)]],
    ['a leading zero', 'permessage-deflate; server_max_window_bits=09', [wish(false, 0)]],
    ['an unknown parameter', 'permessage-deflate; x', [wish(false, 0)]],
    ['a flag with a value', 'permessage-deflate; server_no_context_takeover=1', [wish(false, 0)]],
    ['a parameter twice', 'permessage-deflate; client_max_window_bits=9; client_max_window_bits=9', [wish(false, 0)]],
    ['nothing at all', '', [wish(false, 0)]],
  ])('is refused: %s', (_title, response, wishes) => {
    expect(() => checkAgreement(response, wishes)).toThrow(OpeningError);
  });
});

describe('the agreement of our server', () => {
  test.each([
    [null, [wish(false, 0)], null],
    ['x-webkit-deflate-frame', [wish(false, 0)], null],
    ['permessage-deflate', [wish(false, 0)], 'permessage-deflate'],
    ['permessage-deflate', [wish(true, 0)], 'permessage-deflate; client_no_context_takeover'],
    ['permessage-deflate', [wish(false, 9)], null],
    ['permessage-deflate; client_max_window_bits', [wish(false, 9)], 'permessage-deflate; client_max_window_bits=9'],
    ['permessage-deflate; client_max_window_bits=8', [wish(false, 9)], 'permessage-deflate; client_max_window_bits=8'],
    [
      'permessage-deflate; server_no_context_takeover; server_max_window_bits=10',
      [wish(false, 0)],
      'permessage-deflate; server_no_context_takeover; server_max_window_bits=10',
    ],
    [
      'permessage-deflate',
      [wish(true, 9), wish(true, 0), wish(false, 0)],
      'permessage-deflate; client_no_context_takeover',
    ],
  ])('%s, if we wish %j', (offers, wishes, text) => {
    expect(acceptDeflate(offers, wishes)?.text ?? null).toBe(text);
  });

  test('malformed offers are refused', () => {
    expect(() => acceptDeflate('permessage-deflate; =', [wish(false, 0)])).toThrow(OpeningError);
    expect(() => acceptDeflate('permessage-deflate; server_max_window_bits=7', [wish(false, 0)])).toThrow(OpeningError);
  });
});
