import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Frame, Request } from '../../../src/goods/wire/frames.ts';
import { WireError } from '../../../src/goods/wire/goods-error.ts';
import { formatFrame, formatRequest, isOffset, parseFrame, parseRequest } from '../../../src/goods/wire/text-codec.ts';

const limits = {
  subscriptions: 1,
  nameLength: 1,
  paramsSize: 1,
  messageSize: 1,
  requestsPerSecond: 1,
  requestBurst: 1,
  itemsPerSecond: 1,
};
const stream = { goods: 'n', variant: 'v', kind: 'json', epoch: 'e', offset: 1 } as const;

/** A frame of each kind, with every field that it may have. */
const frames: { readonly [Op in Frame['op']]: Extract<Frame, { readonly op: Op }> } = {
  welcome: { op: 'welcome', protocol: 'goods.v1', heartbeat: 30_000, limits },
  ok: {
    op: 'ok',
    id: 1,
    streams: [stream],
    removed: true,
    offset: 3,
    subscriptions: [{ goods: 'n', params: 1, streams: [stream] }],
    catalog: [{ goods: 'n', kind: 'text' }],
    next: 'n',
  },
  error: { op: 'error', id: 1, code: 'internal', message: 'no', retryAfter: 5 },
  item: { op: 'item', goods: 'n', variant: 'v', offset: 1, item: null },
  items: { op: 'items', goods: 'n', variant: 'v', offset: 1, items: [1, 'two'] },
  skip: { op: 'skip', goods: 'n', variant: 'v', from: 1, to: 2, reason: 'dropped' },
  shelved: { op: 'shelved', goods: 'n/*', params: { a: 1 }, stream },
  unshelved: { op: 'unshelved', goods: 'n', reason: 'closed' },
  revoked: { op: 'revoked', goods: 'n/*', params: [1], stream: 'n/a', reason: 'not paid' },
  demand: { op: 'demand', goods: 'n' },
  idle: { op: 'idle', goods: 'n' },
  closing: { op: 'closing', reason: 'restart', retryAfter: 0 },
};

/** Fields that a frame may lack. */
const optional: Readonly<Record<string, readonly string[]>> = {
  ok: ['streams', 'removed', 'offset', 'subscriptions', 'catalog', 'next'],
  error: ['retryAfter'],
  item: ['variant', 'item'],
  items: ['variant'],
  skip: ['variant'],
  shelved: ['params'],
  revoked: ['params', 'stream'],
};

const invalid = expect.objectContaining({ name: 'WireError', closeCode: 1007 });

describe('a frame of a market', () => {
  test.each(Object.values(frames))('is read as it was written: $op', (frame) => {
    expect(parseFrame(formatFrame(frame))).toEqual(frame);
  });

  test.each(Object.values(frames))('may lack its optional fields only: $op', ({ op, ...fields }) => {
    for (const name of Object.keys(fields)) {
      const text = JSON.stringify({ op, ...fields, [name]: undefined });
      if (optional[op]?.includes(name)) expect(parseFrame(text), name).not.toHaveProperty(name);
      else expect(() => parseFrame(text), name).toThrow(`the frame ${op} has no valid field ${name}`);
    }
  });

  test.each(Object.values(frames))('has no field of another type: $op', ({ op, ...fields }) => {
    for (const name of Object.keys(fields).filter((name) => name !== 'params' && name !== 'item')) {
      // No field takes all of these.
      const readings = ['text', -1, true, null, {}, [null]].map((value) => {
        try {
          return parseFrame(JSON.stringify({ op, ...fields, [name]: value }));
        } catch (error) {
          return error;
        }
      });
      expect(readings.filter((reading) => reading instanceof WireError).length, name).toBeGreaterThanOrEqual(4);
    }
  });

  test('may have fields of a later version', () => {
    expect(parseFrame('{"op":"idle","goods":"n","more":1}')).toMatchObject({ goods: 'n' });
  });

  test.each(['dance', '__proto__', 'constructor', ''])('of a later version is ignored: %j', (op) => {
    expect(parseFrame(JSON.stringify({ op }))).toBeNull();
  });

  test.each([
    '{"op":"item","goods":"n","offset":-1,"item":1}',
    '{"op":"item","goods":"n","offset":9007199254740992,"item":1}',
    '{"op":"item","goods":5,"offset":1,"item":1}',
    '{"op":"items","goods":"n","offset":1,"items":{}}',
    '{"op":"skip","goods":"n","from":1,"to":1.5,"reason":"x"}',
    '{"op":"ok","id":1,"streams":[{"goods":"n"}]}',
    '{"op":"ok","id":1,"streams":[{"goods":"n","variant":1,"kind":"json","epoch":"e","offset":1}]}',
    '{"op":"ok","id":1,"streams":[null]}',
    '{"op":"ok","id":1,"subscriptions":[{"goods":"n"}]}',
    '{"op":"ok","id":1,"catalog":[1]}',
    '{"op":"shelved","goods":"n","stream":null}',
    '{"op":"error","id":1,"code":1,"message":""}',
    '{"goods":"n"}',
    '{"op":1}',
    '[]',
    'null',
    '1',
    'hello',
    '',
  ])('is refused with 1007: %s', (text) => {
    expect(() => parseFrame(text)).toThrow(invalid);
  });

  test('that cannot be written as JSON is a TypeError', () => {
    expect(() => formatFrame({ ...frames.item, item: 1n })).toThrow(TypeError);
  });
});

describe('a request', () => {
  const requests: readonly Request[] = [
    { op: 'subscribe', id: 1, goods: 'n', params: {}, last: 2, since: [{ goods: 'n', epoch: 'e', offset: 1 }] },
    { op: 'unsubscribe', id: 2, goods: 'n' },
    { op: 'subscriptions', id: 3, after: 'n', limit: 5 },
    { op: 'catalog', id: 4, pattern: '**' },
    { op: 'supply', id: 5, goods: 'n', items: [null] },
    { op: 'shelve', id: 6, goods: 'n' },
    { op: 'unshelve', id: 7, goods: 'n', reason: '' },
    { op: 'ping', id: Number.MAX_SAFE_INTEGER },
  ];

  test.each(requests)('is read as it was written: $op', (request) => {
    expect(parseRequest(formatRequest(request))).toEqual(request);
  });

  test('is read whatever its other fields are, because they are checked later', () => {
    expect(parseRequest('{"op":"dance","id":1,"goods":5}')).toEqual({ op: 'dance', id: 1, goods: 5 });
  });

  test.each([
    '{"op":"ping"}',
    '{"op":"ping","id":0}',
    '{"op":"ping","id":-1}',
    '{"op":"ping","id":1.5}',
    '{"op":"ping","id":"1"}',
    '{"op":"ping","id":null}',
    '{"op":"ping","id":9007199254740992}',
    '{"op":"ping","__proto__":{"id":1}}',
    '{"id":1}',
    '{"op":null,"id":1}',
    '["ping"]',
    'null',
    '"ping"',
    '{',
  ])('is refused with 1007: %s', (text) => {
    expect(() => parseRequest(text)).toThrow(invalid);
  });

  test('that cannot be written as JSON is a TypeError', () => {
    expect(() => formatRequest({ op: 'supply', id: 1, goods: 'n', items: [1n] })).toThrow(TypeError);
  });
});

test.each([
  [0, true],
  [Number.MAX_SAFE_INTEGER, true],
  [Number.MAX_SAFE_INTEGER + 1, false],
  [-1, false],
  [0.5, false],
  [Number.NaN, false],
  ['1', false],
  [null, false],
])('isOffset(%s) is %s', (value, expected) => {
  expect(isOffset(value)).toBe(expected);
});

test('any text gives a frame, null or a WireError, and a frame that is read can be written and read again', () => {
  const counts = { frames: 0, errors: 0 };
  const anyFrame = fc
    .tuple(
      fc.constantFrom(...Object.values(frames)),
      fc.dictionary(fc.constantFrom('goods', 'offset', 'id', 'stream', 'items'), fc.jsonValue(), { maxKeys: 1 }),
    )
    .map(([frame, change]) => JSON.stringify({ ...frame, ...change }));
  fc.assert(
    fc.property(fc.oneof(anyFrame, fc.json(), fc.string()), (text) => {
      for (const parse of [parseFrame, parseRequest]) {
        let read: unknown;
        try {
          read = parse(text);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
          counts.errors++;
          continue;
        }
        if (read === null) continue;
        counts.frames++;
        expect(parse(JSON.stringify(read))).toEqual(read);
      }
    }),
    { numRuns: 1000 },
  );
  expect(Math.min(counts.frames, counts.errors)).toBeGreaterThan(100);
});
