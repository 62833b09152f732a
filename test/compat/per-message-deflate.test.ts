import { createHook } from 'node:async_hooks';
import { once } from 'node:events';
import { constants, deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import * as ws from 'ws';
import { extension } from '../../src/compat/extension.ts';
import { PerMessageDeflate, type PerMessageDeflateOptions } from '../../src/compat/per-message-deflate.ts';
import { fromHex } from '../support/hex.ts';

const Theirs = (ws as unknown as { PerMessageDeflate: typeof PerMessageDeflate }).PerMessageDeflate;
const implementations = { goodwire: { PerMessageDeflate }, ws: { PerMessageDeflate: Theirs } };

type Class = typeof PerMessageDeflate;

/**
 * Returns the result of `extension.parse` for permessage-deflate with these parameters, such as
 * `; server_max_window_bits=8`.
 */
const configurations = (parameters: string) =>
  extension.parse(`permessage-deflate${parameters}`)['permessage-deflate']!;

/** Returns an instance that has accepted these parameters. */
function agreed(By: Class, options: PerMessageDeflateOptions = {}, parameters = ''): InstanceType<Class> {
  const instance = new By(options);
  instance.accept(configurations(parameters));
  return instance;
}

type Data = Parameters<PerMessageDeflate['compress']>[0];

function run(by: PerMessageDeflate, method: 'compress' | 'decompress', data: Data, fin = true): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    by[method](data, fin, (error, output) => (error ? reject(error) : resolve(output!)));
  });
}

const compress = (by: PerMessageDeflate, data: Data, fin = true) => run(by, 'compress', data, fin);
const decompress = (by: PerMessageDeflate, data: Data, fin = true) => run(by, 'decompress', data, fin);

async function failure(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  return promise.then(
    () => {
      throw new Error('It did not fail');
    },
    (error) => error,
  );
}

/** Returns a message compressed by zlib, as input for §7.2.2. */
function deflated(data: Buffer | string, windowBits = 15): Buffer {
  const finishFlush = constants.Z_SYNC_FLUSH;
  return deflateRawSync(data, { finishFlush, windowBits }).subarray(0, -4);
}

/** Returns data that repeats after `period`, so that a window of that length makes it compressible. */
function periodic(period: number, length: number): Buffer {
  const data = Buffer.alloc(length);
  let seed = 1;
  for (let index = 0; index < length; index++) {
    seed = (seed * 48_271) % 2_147_483_647;
    data[index] = index < period ? seed & 0xff : data[index - period]!;
  }
  return data;
}

const hello = Buffer.from('Hello');

describe.each(Object.entries(implementations))('PerMessageDeflate of %s', (_name, { PerMessageDeflate: By }) => {
  describe('the class', () => {
    it('has the name of the extension, and takes one argument', () => {
      expect(By.extensionName).toBe('permessage-deflate');
      expect(By.name).toBe('PerMessageDeflate');
      expect(By.length).toBeLessThanOrEqual(1);
      const ignored = Reflect.construct(By, [{}, true, 100]) as PerMessageDeflate;
      expect([ignored._isServer, ignored._maxPayload]).toEqual([false, 0]);
    });

    it('starts as the client, with a threshold of 1024 and no limit', () => {
      for (const options of [undefined, {}, null]) {
        const { _options, _threshold, _maxPayload, _isServer, _deflate, _inflate, params } = new By(options as object);
        expect({ _options, _threshold, _maxPayload, _isServer, _deflate, _inflate, params }).toEqual({
          _options: {},
          _threshold: 1024,
          _maxPayload: 0,
          _isServer: false,
          _deflate: null,
          _inflate: null,
          params: null,
        });
      }
    });

    it('keeps its options', () => {
      const options = { threshold: 0, maxPayload: 7.5, isServer: true };
      const instance = new By(options);
      expect(instance._options).toBe(options);
      expect([instance._threshold, instance._maxPayload, instance._isServer]).toEqual([0, 7, true]);
    });
  });

  describe('offer()', () => {
    it.each<[object, PerMessageDeflateOptions | undefined]>([
      [{ client_max_window_bits: true }, undefined],
      [{ client_max_window_bits: true }, { clientMaxWindowBits: true, serverMaxWindowBits: false }],
      [{}, { clientMaxWindowBits: false, serverNoContextTakeover: false, clientNoContextTakeover: false }],
      [
        { client_max_window_bits: 8, server_max_window_bits: 15 },
        { clientMaxWindowBits: 8, serverMaxWindowBits: 15 },
      ],
      [{ client_max_window_bits: true, server_no_context_takeover: true }, { serverNoContextTakeover: true }],
      [{ client_max_window_bits: true, client_no_context_takeover: true }, { clientNoContextTakeover: true }],
    ])('gives %o for the options %o', (expected, options) => {
      const instance = new By(options);
      expect(instance.offer()).toEqual(expected);
      expect(instance.params).toBe(null);
    });
  });

  describe('accept()', () => {
    it.each<[object, string, PerMessageDeflateOptions]>([
      [{}, '', {}],
      [{}, '; client_max_window_bits', {}],
      [{ client_max_window_bits: 12 }, '; client_max_window_bits=12', { clientMaxWindowBits: true }],
      [{}, '; client_max_window_bits=12', { clientMaxWindowBits: false }],
      [{ client_max_window_bits: 10 }, '; client_max_window_bits', { clientMaxWindowBits: 10 }],
      [{ client_max_window_bits: 10 }, ', permessage-deflate; client_max_window_bits=15', { clientMaxWindowBits: 10 }],
      [{ server_max_window_bits: 8 }, '; server_max_window_bits=8', {}],
      [{ server_max_window_bits: 8 }, '; server_max_window_bits="8"', { serverMaxWindowBits: true }],
      [{ server_max_window_bits: 9 }, '; server_max_window_bits=12', { serverMaxWindowBits: 9 }],
      [{ server_max_window_bits: 9 }, '', { serverMaxWindowBits: 9 }],
      [{}, '; server_max_window_bits=9, permessage-deflate', { serverMaxWindowBits: false }],
      [{ server_no_context_takeover: true }, '; server_no_context_takeover', {}],
      [{ server_no_context_takeover: true }, '', { serverNoContextTakeover: true }],
      [{}, '; server_no_context_takeover, permessage-deflate', { serverNoContextTakeover: false }],
      [{ client_no_context_takeover: true }, '; client_no_context_takeover', { clientNoContextTakeover: false }],
      [{ client_no_context_takeover: true }, '', { clientNoContextTakeover: true }],
    ])('of a server gives %o for the offer %o with %o', (expected, offer, options) => {
      const instance = new By({ ...options, isServer: true });
      const accepted = instance.accept(configurations(offer));
      expect(accepted).toEqual(expected);
      expect(instance.params).toBe(accepted);
      expect(Object.getPrototypeOf(accepted)).toBe(null);
    });

    it.each<[string, PerMessageDeflateOptions]>([
      ['', { clientMaxWindowBits: 10 }],
      ['; client_max_window_bits=9', { clientMaxWindowBits: 10 }],
      ['; server_max_window_bits=9', { serverMaxWindowBits: 10 }],
      ['; server_max_window_bits=9', { serverMaxWindowBits: false }],
      ['; server_no_context_takeover', { serverNoContextTakeover: false }],
    ])('of a server throws when it cannot accept the offer %o with %o', (offer, options) => {
      const instance = new By({ ...options, isServer: true });
      expect(() => instance.accept(configurations(offer))).toThrow('None of the extension offers can be accepted');
      expect(() => instance.accept([])).toThrow('None of the extension offers can be accepted');
      expect(instance.params).toBe(null);
    });

    it.each<[object, string, PerMessageDeflateOptions]>([
      [{}, '', {}],
      [{ client_max_window_bits: 10 }, '', { clientMaxWindowBits: 10 }],
      [{ client_max_window_bits: 8 }, '; client_max_window_bits=8', { clientMaxWindowBits: 10 }],
      [{ client_max_window_bits: 15 }, '; client_max_window_bits=15', { clientMaxWindowBits: true }],
      [{ server_max_window_bits: 9 }, '; server_max_window_bits=9', { serverMaxWindowBits: 10 }],
      [{ server_max_window_bits: 9 }, '; server_max_window_bits=9', { serverMaxWindowBits: false }],
      [
        { server_no_context_takeover: true, client_no_context_takeover: true },
        '; server_no_context_takeover; client_no_context_takeover',
        { serverNoContextTakeover: false },
      ],
    ])('of a client gives %o for the response %o to its offer with %o', (expected, response, options) => {
      const instance = new By(options);
      expect(instance.accept(configurations(response))).toEqual(expected);
      expect(instance.params).toEqual(expected);
    });

    it.each<[string, string, PerMessageDeflateOptions]>([
      [
        'Unexpected parameter "client_no_context_takeover"',
        '; client_no_context_takeover',
        { clientNoContextTakeover: false },
      ],
      [
        'Unexpected or invalid parameter "client_max_window_bits"',
        '; client_max_window_bits=9',
        { clientMaxWindowBits: false },
      ],
      [
        'Unexpected or invalid parameter "client_max_window_bits"',
        '; client_max_window_bits=9',
        { clientMaxWindowBits: 8 },
      ],
    ])('of a client throws %o for the response %o to its offer with %o', (message, response, options) => {
      const instance = new By(options);
      expect(() => instance.accept(configurations(response))).toThrow(message);
      expect(instance.params).toBe(null);
    });

    it('of a client throws a TypeError without a response', () => {
      expect(() => new By().accept([])).toThrow(TypeError);
    });

    it.each<[string, string, ErrorConstructor]>([
      ['foo', 'Unknown parameter "foo"', Error],
      ['__proto__=1', 'Unknown parameter "__proto__"', Error],
      ['constructor', 'Unknown parameter "constructor"', Error],
      [
        'server_no_context_takeover; server_no_context_takeover',
        'Parameter "server_no_context_takeover" must have only a single value',
        Error,
      ],
      ['server_no_context_takeover=1', 'Invalid value for parameter "server_no_context_takeover": 1', TypeError],
      ['client_no_context_takeover=true', 'Invalid value for parameter "client_no_context_takeover": true', TypeError],
      ['server_max_window_bits', 'Invalid value for parameter "server_max_window_bits": true', TypeError],
      ['server_max_window_bits=7', 'Invalid value for parameter "server_max_window_bits": 7', TypeError],
      ['client_max_window_bits=16', 'Invalid value for parameter "client_max_window_bits": 16', TypeError],
      ['client_max_window_bits=-8', 'Invalid value for parameter "client_max_window_bits": -8', TypeError],
      ['client_max_window_bits=9.5', 'Invalid value for parameter "client_max_window_bits": 9.5', TypeError],
    ])('throws for %s, even if another offer is valid', (parameters, message, Kind) => {
      for (const isServer of [true, false]) {
        const instance = new By({ isServer });
        const offers = [...configurations(`; ${parameters}`), ...(isServer ? configurations('') : [])];
        const error = (() => {
          try {
            return instance.accept(offers);
          } catch (thrown) {
            return thrown;
          }
        })() as Error;
        expect(error).toBeInstanceOf(Kind);
        expect(error.message).toBe(message);
        expect(instance.params).toBe(null);
      }
    });

    it('throws a TypeError for values that are not lists', () => {
      const empty = [{ server_max_window_bits: [] }];
      expect(() => new By({ isServer: true }).accept(empty)).toThrow(
        new TypeError('Invalid value for parameter "server_max_window_bits": undefined'),
      );
      for (const wrong of [
        null,
        undefined,
        [null],
        [{ server_no_context_takeover: true }],
        [{ client_max_window_bits: 9 }],
      ]) {
        expect(() => new By({ isServer: true }).accept(wrong as never)).toThrow(TypeError);
      }
    });

    it('returns parameters with the prototype of those given: none behind extension.parse', () => {
      for (const isServer of [true, false]) {
        const plain = [{ server_no_context_takeover: [true] }];
        const bare = [Object.assign(Object.create(null), plain[0]) as (typeof plain)[0]];
        const accept = (given: typeof plain) => new By({ isServer, serverNoContextTakeover: true }).accept(given);
        expect(accept(plain)).toStrictEqual({ server_no_context_takeover: true });
        expect(Object.getPrototypeOf(accept(bare))).toBeNull();
      }
    });

    it('of a server accepts a window that is already a number', () => {
      const params = new By({ isServer: true }).accept([{ server_max_window_bits: [10] }]);
      expect(params).toEqual({ server_max_window_bits: 10 });
    });
  });

  describe('compress() and decompress()', () => {
    it('call back asynchronously, with null and a Buffer', async () => {
      const instance = agreed(By);
      for (const [method, data] of [
        ['compress', hello],
        ['decompress', deflated(hello)],
      ] as const) {
        let returned = false;
        const [error, output] = await new Promise<unknown[]>((resolve) => {
          instance[method](data, true, (...args) => {
            expect(returned).toBe(true);
            resolve(args);
          });
          returned = true;
        });
        expect(error).toBe(null);
        expect(Buffer.isBuffer(output)).toBe(true);
      }
      expect(instance._deflate?.constructor.name).toBe('DeflateRaw');
      expect(instance._inflate?.constructor.name).toBe('InflateRaw');
      instance.cleanup();
      expect([instance._deflate, instance._inflate]).toEqual([null, null]);
    });

    it('compress a message to one block (RFC 7692 §7.2.3.1), and the next with its window (§7.2.3.2)', async () => {
      const instance = agreed(By);
      expect(await compress(instance, hello)).toEqual(fromHex('f2 48 cd c9 c9 07 00'));
      expect(await compress(instance, 'Hello')).toEqual(fromHex('f2 00 11 00 00'));
      const server = agreed(By, { isServer: true }, '; server_no_context_takeover');
      expect(await compress(server, hello)).toEqual(fromHex('f2 48 cd c9 c9 07 00'));
      expect(await compress(server, hello)).toEqual(fromHex('f2 48 cd c9 c9 07 00'));
    });

    it('keep the window only in the direction for which that was agreed', async () => {
      const client = agreed(By, {}, '; server_no_context_takeover');
      expect(await compress(client, hello)).toEqual(fromHex('f2 48 cd c9 c9 07 00'));
      expect(await compress(client, hello)).toEqual(fromHex('f2 00 11 00 00'));
      expect(await decompress(client, fromHex('f2 48 cd c9 c9 07 00'))).toEqual(hello);
      expect((await failure(decompress(client, fromHex('f2 00 11 00 00')))).message).toBe(
        'invalid distance too far back',
      );
    });

    it('compress without compression with level 0 (§7.2.3.3)', async () => {
      const instance = agreed(By, { zlibDeflateOptions: { level: 0 } });
      expect(await compress(instance, hello)).toEqual(fromHex('00 05 00 fa ff 48 65 6c 6c 6f 00'));
    });

    it('compress an empty message to a single 00 (§7.2.3.6), at the start and behind others', async () => {
      const instance = agreed(By);
      for (const data of ['', Buffer.alloc(0), hello, '']) {
        const compressed = await compress(instance, data);
        if (data.length === 0) expect(compressed).toEqual(fromHex('00'));
      }
    });

    it('compress the parts of a message up to a byte boundary, and only the last without its tail', async () => {
      const instance = agreed(By);
      const parts = [
        await compress(instance, 'He', false),
        await compress(instance, '', false),
        await compress(instance, 'llo'),
      ];
      expect(parts[0]!.subarray(-4)).toEqual(fromHex('00 00 ff ff'));
      expect(parts[1]).toEqual(fromHex('00 00 00 ff ff'));
      expect(await decompress(agreed(By, { isServer: true }), Buffer.concat(parts))).toEqual(hello);
    });

    it.each([
      ['one block (§7.2.3.1)', 'f2 48 cd c9 c9 07 00'],
      ['no compression (§7.2.3.3)', '00 05 00 fa ff 48 65 6c 6c 6f 00'],
      ['a final block (§7.2.3.4)', 'f3 48 cd c9 c9 07 00 00'],
      ['two blocks (§7.2.3.5)', 'f2 48 05 00 00 00 ff ff ca c9 c9 07 00'],
    ])('inflate %s', async (_title, octets) => {
      const instance = agreed(By);
      expect(await decompress(instance, fromHex(octets))).toEqual(hello);
      expect(await decompress(instance, fromHex(octets))).toEqual(hello);
    });

    it('inflate with the window of the last message (§7.2.3.2), and a single 00 to nothing (§7.2.3.6)', async () => {
      const instance = agreed(By);
      expect(await decompress(instance, fromHex('f2 48 cd c9 c9 07 00'))).toEqual(hello);
      expect(await decompress(instance, fromHex('00'))).toEqual(Buffer.alloc(0));
      expect(await decompress(instance, fromHex('f2 00 11 00 00'))).toEqual(hello);
    });

    it('inflate the parts of a message as they arrive (§7.2.3.1)', async () => {
      const instance = agreed(By);
      const parts = [
        await decompress(instance, fromHex('f2 48 cd'), false),
        await decompress(instance, fromHex(''), false),
        await decompress(instance, fromHex('c9 c9 07 00')),
      ];
      expect(Buffer.concat(parts)).toEqual(hello);
    });

    it('accept strings and views, and do not change their bytes', async () => {
      const data = new Uint16Array(periodic(64, 512).buffer.slice(0, 512));
      const copy = Uint16Array.from(data);
      const compressed = await compress(agreed(By), new DataView(data.buffer, 2, 400));
      expect(await decompress(agreed(By), compressed)).toEqual(Buffer.from(copy.buffer, 2, 400));
      expect(data).toEqual(copy);
      expect(await decompress(agreed(By), await compress(agreed(By), 'Grüße'))).toEqual(Buffer.from('Grüße'));
    });

    it.each([
      ['client', 'client_max_window_bits', {}],
      ['server', 'server_max_window_bits', { isServer: true }],
    ])('of a %s compress with the agreed window, whatever the options say', async (_end, name, options) => {
      const data = periodic(600, 1200);
      const zlibDeflateOptions = { windowBits: 15, level: 9 };
      const small = await compress(agreed(By, { ...options, zlibDeflateOptions }, `; ${name}=9`), data);
      const large = await compress(agreed(By, { ...options, zlibDeflateOptions: { windowBits: 9 } }), data);
      expect(small.length).toBeGreaterThan(1200);
      expect(large.length).toBeLessThan(700);
    });

    it('fail for data that is not DEFLATE, and start anew', async () => {
      const instance = agreed(By);
      const error = await failure(decompress(instance, fromHex('ff ff ff ff')));
      expect(error).toMatchObject({ name: 'Error', message: 'invalid block type', code: 'Z_DATA_ERROR', errno: -3 });
      expect(instance._inflate).toBe(null);
      expect(await decompress(instance, deflated(hello))).toEqual(hello);
    });

    it('inflate up to maxPayload, and no more', async () => {
      const instance = agreed(By, { maxPayload: 10 });
      expect(await decompress(instance, deflated('x'.repeat(10)))).toEqual(Buffer.alloc(10, 'x'));
      const error = await failure(decompress(instance, deflated('x'.repeat(11))));
      expect(error).toBeInstanceOf(RangeError);
      expect(error).toMatchObject({ message: 'Max payload size exceeded', code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' });
      expect(instance._inflate).toBe(null);
      expect(await decompress(instance, deflated(hello))).toEqual(hello);
    });

    it('stop at maxPayload while inflating', async () => {
      const instance = agreed(By, { maxPayload: 1000 });
      const bomb = deflated(Buffer.alloc(1 << 26));
      const failed = failure(decompress(instance, bomb));
      const stream = instance._inflate!;
      expect(await failed).toMatchObject({ code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' });
      expect(bomb.length).toBeGreaterThan(60_000);
      expect(stream.bytesWritten).toBeLessThan(1000);
    });

    it('begin at most ten at once in the process', async () => {
      const instances = Array.from({ length: 30 }, () => agreed(By));
      const done = instances.map((instance) => compress(instance, hello));
      expect(instances.filter(({ _deflate }) => _deflate !== null)).toHaveLength(10);
      expect(await Promise.all(done)).toEqual(Array(30).fill(fromHex('f2 48 cd c9 c9 07 00')));
    });
  });

  describe('cleanup()', () => {
    it('may be called at any time, again, and before the next use', async () => {
      const instance = agreed(By);
      instance.cleanup();
      instance.cleanup();
      expect(await compress(instance, hello)).toEqual(fromHex('f2 48 cd c9 c9 07 00'));
      instance.cleanup();
      expect(await compress(instance, hello)).toEqual(fromHex('f2 48 cd c9 c9 07 00'));
      expect(instance.params).toEqual({});
    });

    it('calls pending callbacks, at once and once, and closes the stream', async () => {
      const instance = agreed(By);
      const calls: unknown[] = [];
      instance.compress(Buffer.alloc(1 << 20), true, (error) => calls.push(error));
      const stream = instance._deflate!;
      const closed = once(stream, 'close');
      instance.cleanup();
      expect(calls).toEqual([new Error('The deflate stream was closed while data was being processed')]);
      await closed;
      // Compressed later, so that a second callback would have been called by now.
      await compress(agreed(By), Buffer.alloc(1 << 16));
      expect(calls).toHaveLength(1);
    });
  });
});

const bits = fc.option(fc.integer({ min: 8, max: 15 }), { nil: undefined });
const flag = fc.option(fc.boolean(), { nil: undefined });
const parameters = fc.record({
  server_no_context_takeover: fc.boolean(),
  client_no_context_takeover: fc.boolean(),
  server_max_window_bits: bits,
  client_max_window_bits: bits,
});
const part = fc.oneof(
  fc.uint8Array({ maxLength: 64 }).map((octets) => Buffer.from(octets)),
  fc.string({ maxLength: 200 }).map((text) => Buffer.from(text)),
  fc
    .tuple(fc.integer({ min: 1, max: 40_000 }), fc.integer({ min: 0, max: 80_000 }))
    .map(([period, length]) => periodic(period, length)),
);
const message = fc.array(part, { minLength: 1, maxLength: 3 });

describe('the two implementations', () => {
  it.each([
    ['ws', 'goodwire'],
    ['goodwire', 'ws'],
    ['goodwire', 'goodwire'],
  ] as const)('understand each other: %s compresses, %s inflates', async (sender, receiver) => {
    await fc.assert(
      fc.asyncProperty(
        parameters,
        fc.boolean(),
        fc.array(message, { minLength: 1, maxLength: 4 }),
        async (chosen, isServer, messages) => {
          const list = Object.entries(chosen)
            .filter(([, value]) => value)
            .map(([name, value]) => (value === true ? `; ${name}` : `; ${name}=${value}`))
            .join('');
          const from = agreed(implementations[sender].PerMessageDeflate, { isServer }, list);
          const to = agreed(implementations[receiver].PerMessageDeflate, { isServer: !isServer }, list);
          try {
            for (const parts of messages) {
              const inflated: Buffer[] = [];
              for (const [index, data] of parts.entries()) {
                const fin = index === parts.length - 1;
                inflated.push(await decompress(to, await compress(from, data, fin), fin));
              }
              expect(Buffer.concat(inflated).equals(Buffer.concat(parts))).toBe(true);
            }
          } finally {
            from.cleanup();
            to.cleanup();
          }
        },
      ),
      { numRuns: 80 },
    );
  });

  it('accept the same offers with the same parameters, and refuse the same, whatever the options', () => {
    const options = fc.record({
      serverNoContextTakeover: flag,
      clientNoContextTakeover: flag,
      serverMaxWindowBits: fc.oneof(bits, fc.boolean()),
      clientMaxWindowBits: fc.oneof(bits, fc.boolean()),
    });
    const value = fc.constantFrom('', '=7', '=8', '=9', '=12', '=15', '=16', '=x');
    const name = fc.constantFrom(
      'server_no_context_takeover',
      'client_no_context_takeover',
      'server_max_window_bits',
      'client_max_window_bits',
      '__proto__',
    );
    const plausible = fc.constantFrom(
      'server_no_context_takeover',
      'client_no_context_takeover',
      'server_max_window_bits=9',
      'server_max_window_bits=12',
      'client_max_window_bits',
      'client_max_window_bits=12',
    );
    const any = fc.oneof(
      { weight: 8, arbitrary: plausible },
      fc.tuple(name, value).map(([a, b]) => a + b),
    );
    const offer = fc.array(any, { maxLength: 3 }).map((list) => ['permessage-deflate', ...list].join('; '));
    const outcome = (By: Class, chosen: object, header: string) => {
      const instance = new By({ ...chosen, isServer: true } as PerMessageDeflateOptions);
      try {
        return { ...instance.accept(extension.parse(header)['permessage-deflate']!) };
      } catch (error) {
        return error instanceof TypeError ? 'TypeError' : 'Error';
      }
    };
    let accepted = 0;
    fc.assert(
      fc.property(options, fc.array(offer, { minLength: 1, maxLength: 3 }), (chosen, offers) => {
        const header = offers.join(', ');
        const ours = outcome(PerMessageDeflate, chosen, header);
        const theirs = outcome(Theirs, chosen, header);
        if (typeof ours === 'object') accepted++;
        // For an offer with two violations the implementations may find different ones first.
        if (typeof ours === 'string' && typeof theirs === 'string') return;
        expect(ours).toEqual(theirs);
      }),
      { numRuns: 3000 },
    );
    expect(accepted).toBeGreaterThan(300);
  });

  it('accept the same offer of ws and of goodwire, whatever the options', () => {
    const options = fc.record({
      serverNoContextTakeover: flag,
      clientNoContextTakeover: flag,
      serverMaxWindowBits: fc.oneof(bits, fc.constant(false)),
      clientMaxWindowBits: fc.oneof(bits, fc.boolean()),
    });
    fc.assert(
      fc.property(options, (chosen) => {
        expect(new PerMessageDeflate(chosen).offer()).toEqual(new Theirs(chosen).offer());
      }),
    );
  });
});

describe('PerMessageDeflate of goodwire only', () => {
  it('refuses in the constructor windows that cannot be offered', () => {
    expect(() => new PerMessageDeflate({ clientMaxWindowBits: 99 })).toThrow(RangeError);
    expect(() => new PerMessageDeflate({ serverMaxWindowBits: '10' as unknown as number })).toThrow(TypeError);
  });

  it.each([
    ['08', 'server'],
    ['1e1', 'server'],
    ['0xa', 'client'],
    ['+9', 'client'],
  ])(
    'refuses a window of %s bits from the peer of a %s: a decimal without leading zeroes (§7.1.2.1)',
    (window, end) => {
      const instance = new PerMessageDeflate({ isServer: end === 'server' });
      const message = `Invalid value for parameter "server_max_window_bits": ${window}`;
      const list = configurations(`; server_max_window_bits=${window}`);
      expect(() => instance.accept(list)).toThrow(new TypeError(message));
      expect(() => new Theirs({ isServer: end === 'server' }).accept(list)).not.toThrow();
    },
  );

  it.each<[string, string, PerMessageDeflateOptions]>([
    ['Missing parameter "server_no_context_takeover"', '', { serverNoContextTakeover: true }],
    ['Missing parameter "server_max_window_bits"', '', { serverMaxWindowBits: 10 }],
    [
      'Unexpected or invalid parameter "server_max_window_bits"',
      '; server_max_window_bits=11',
      { serverMaxWindowBits: 10 },
    ],
    ['More than one response to the offers of permessage-deflate', ', permessage-deflate', {}],
  ])('fails with %o for the response %o, which ws accepts', (message, response, options) => {
    expect(() => new PerMessageDeflate(options).accept(configurations(response))).toThrow(message);
    expect(() => new Theirs(options).accept(configurations(response))).not.toThrow();
  });

  it('requires a callback immediately', () => {
    for (const method of ['compress', 'decompress'] as const) {
      const call = () => agreed(PerMessageDeflate)[method](hello, true, undefined as never);
      expect(call).toThrow(expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }));
    }
  });

  it('answers every call, in order, when several are made at once', async () => {
    const from = agreed(PerMessageDeflate);
    const to = agreed(PerMessageDeflate, { isServer: true });
    const answered: number[] = [];
    const messages = Array.from({ length: 100 }, (_, index) => `message ${index} ${'x'.repeat((index * 7919) % 5000)}`);
    const inflated = messages.map(async (text, index) => {
      const compressed = await compress(from, text);
      answered.push(index);
      return decompress(to, compressed);
    });
    expect((await Promise.all(inflated)).map(String)).toEqual(messages);
    expect(answered).toEqual([...messages.keys()]);
  });

  it('gives errors of a peer the appropriate close code', async () => {
    const instance = agreed(PerMessageDeflate, { maxPayload: 10 });
    expect(await failure(decompress(instance, fromHex('ff')))).toMatchObject({ closeCode: 1007 });
    expect(await failure(decompress(instance, deflated('x'.repeat(11))))).toMatchObject({
      closeCode: 1009,
      detail: expect.stringContaining('(limit 10)'),
    });
  });

  it('counts the parts of a message together against maxPayload, and each message separately', async () => {
    const instance = agreed(PerMessageDeflate, { maxPayload: 10 });
    const from = agreed(PerMessageDeflate);
    for (let round = 0; round < 3; round++) {
      expect(await decompress(instance, await compress(from, '12345', false), false)).toHaveLength(5);
      expect(await decompress(instance, await compress(from, '67890'))).toHaveLength(5);
    }
    expect(await decompress(instance, await compress(from, '1234567890', false), false)).toHaveLength(10);
    const error = await failure(decompress(instance, await compress(from, '1')));
    expect(error).toMatchObject({ code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' });
    expect(await decompress(instance, deflated('1234567890'))).toHaveLength(10);
  });

  it('inflates data behind a final block, in the same message and in the next', async () => {
    const instance = agreed(PerMessageDeflate);
    const final = 'f3 48 cd c9 c9 07 00';
    const rest = 'f2 48 cd c9 c9 07 00';
    expect(await decompress(instance, fromHex(final + rest))).toEqual(Buffer.from('HelloHello'));
    expect(await decompress(instance, fromHex(final + final + final))).toEqual(Buffer.from('HelloHelloHello'));
    expect(await decompress(instance, fromHex(`${final} ${rest} 00 00 ff ff`), false)).toEqual(
      Buffer.from('HelloHello'),
    );
    expect(await decompress(instance, fromHex(final), false)).toEqual(hello);
    expect(await decompress(instance, fromHex(''), false)).toEqual(Buffer.alloc(0));
    expect(await decompress(instance, fromHex(final + rest))).toEqual(Buffer.from('HelloHello'));
    expect(await decompress(instance, fromHex(final), false)).toEqual(hello);
    expect(await decompress(instance, fromHex('00'))).toEqual(Buffer.alloc(0));
    expect((await failure(decompress(instance, fromHex(`${final} ff ff`)))).code).toBe('Z_DATA_ERROR');
    // For comparison: ws loses the rest.
    expect(await decompress(agreed(Theirs), fromHex(final + rest))).toEqual(hello);
  });

  it('inflates data behind a final block without a window, too', async () => {
    const instance = agreed(PerMessageDeflate, {}, '; server_no_context_takeover; client_no_context_takeover');
    for (let round = 0; round < 2; round++) {
      expect(await decompress(instance, fromHex('f3 48 cd c9 c9 07 00 f2 48 cd c9 c9 07 00'))).toEqual(
        Buffer.from('HelloHello'),
      );
    }
  });

  it('counts data before and behind a final block against maxPayload', async () => {
    const instance = agreed(PerMessageDeflate, { maxPayload: 9 });
    const error = await failure(decompress(instance, fromHex('f3 48 cd c9 c9 07 00 f2 48 cd c9 c9 07 00')));
    expect(error).toMatchObject({ code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' });
  });

  it('fails for a message of thousands of final blocks, each of which needs a new stream', async () => {
    const instance = agreed(PerMessageDeflate);
    const emptyFinalBlocks = (count: number) => Buffer.concat(Array(count).fill(fromHex('03 00')));
    expect(await decompress(instance, emptyFinalBlocks(1000))).toEqual(Buffer.alloc(0));
    expect(await decompress(instance, emptyFinalBlocks(1000))).toEqual(Buffer.alloc(0));
    const error = await failure(decompress(instance, emptyFinalBlocks(100_000)));
    expect(error).toMatchObject({ message: 'A message has more than 1024 final blocks', closeCode: 1007 });
  });

  it('makes no zlib state for each of a thousand short final blocks', async () => {
    const instance = agreed(PerMessageDeflate);
    let states = 0;
    const hook = createHook({
      init(_, type) {
        if (type === 'ZLIB') states++;
      },
    }).enable();
    const letters = Buffer.concat(Array(1000).fill(fromHex('4b 04 00')));
    try {
      expect(String(await decompress(instance, letters))).toBe('a'.repeat(1000));
    } finally {
      hook.disable();
    }
    expect(states).toBeLessThan(5);
  });

  it('passes the error of an invalid zlib option to the callback, and continues', async () => {
    const instance = agreed(PerMessageDeflate, {
      zlibDeflateOptions: { level: 99 },
      zlibInflateOptions: { chunkSize: 1 },
    });
    const calls = [compress(instance, hello), compress(instance, hello), decompress(instance, deflated(hello))];
    for (const call of calls) {
      const error = await failure(call);
      expect(error).toMatchObject({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
      expect(error).not.toHaveProperty('closeCode');
    }
    instance.compress(hello, true, () => {});
    const closed = failure(compress(instance, hello));
    instance.cleanup();
    expect((await closed).message).toBe('The deflate stream was closed while data was being processed');
  });

  it.each([8, 9])('deflates for a window of %d bits so that an inflater of 256 bytes reads it', async (window) => {
    for (const level of [1, 2, 4, 6, 9]) {
      for (const period of [200, 249, 250, 251, 256, 257, 300, 400, 500, 511]) {
        const from = agreed(PerMessageDeflate, { zlibDeflateOptions: { level } }, `; client_max_window_bits=${window}`);
        // The smallest chunk size lets a message use the window most.
        const zlibInflateOptions = { chunkSize: 64 };
        const to = agreed(PerMessageDeflate, { isServer: true, zlibInflateOptions }, '; client_max_window_bits=8');
        for (const data of [periodic(period, 5000), periodic(period, 3000)]) {
          expect((await decompress(to, await compress(from, data))).equals(data)).toBe(true);
        }
        from.cleanup();
        to.cleanup();
      }
    }
  });

  it('does not inflate a larger window than agreed, so that the test above can fail', async () => {
    const zlibInflateOptions = { chunkSize: 64 };
    const to = agreed(PerMessageDeflate, { isServer: true, zlibInflateOptions }, '; client_max_window_bits=8');
    const error = await failure(decompress(to, deflated(periodic(400, 5000), 10)));
    expect(error.message).toBe('invalid distance too far back');
  });

  describe('slots at zlib', () => {
    it('are limited by the concurrencyLimit of each instance, first come first served', async () => {
      const limits = [3, 3, 3, 3, 1, 0, 5];
      const instances = limits.map((concurrencyLimit) => agreed(PerMessageDeflate, { concurrencyLimit }));
      const order: number[] = [];
      const seen: number[] = [];
      const done = instances.map(async (instance, index) => {
        await compress(instance, hello);
        order.push(index);
        seen[index] = instances.filter(({ _deflate }) => _deflate !== null).length;
      });
      expect(instances.map(({ _deflate }) => _deflate !== null)).toEqual([
        true,
        true,
        true,
        false,
        false,
        false,
        false,
      ]);
      await Promise.all(done);
      // The instance with limit 1 started after the four before it had finished, and the later ones not before.
      expect(order.slice(0, 4).sort()).toEqual([0, 1, 2, 3]);
      expect(order.slice(4).sort()).toEqual([4, 5, 6]);
    });

    it('are unlimited for a limit of 0 or less', async () => {
      for (const concurrencyLimit of [0, -1, Number.NaN]) {
        const instances = Array.from({ length: 30 }, () => agreed(PerMessageDeflate, { concurrencyLimit }));
        const done = instances.map((instance) => compress(instance, hello));
        expect(instances.every(({ _deflate }) => _deflate !== null)).toBe(true);
        await Promise.all(done);
      }
    });

    it('are released when a connection is closed, before or after its call started', async () => {
      const instances = Array.from({ length: 30 }, () => agreed(PerMessageDeflate));
      const results = instances.map((instance) => compress(instance, hello).catch((error: Error) => error.message));
      for (const instance of instances.slice(0, 29)) instance.cleanup();
      const closed = 'The deflate stream was closed while data was being processed';
      expect(await Promise.all(results)).toEqual([...Array(29).fill(closed), fromHex('f2 48 cd c9 c9 07 00')]);
      expect(instances.slice(0, 29).every(({ _deflate }) => _deflate === null)).toBe(true);
      // All ten slots are free again.
      const more = Array.from({ length: 10 }, () => agreed(PerMessageDeflate));
      const done = more.map((instance) => compress(instance, hello));
      expect(more.every(({ _deflate }) => _deflate !== null)).toBe(true);
      await Promise.all(done);
    });

    it('are assigned one by one to the calls of one instance, between those of others', async () => {
      const busy = Array.from({ length: 10 }, () => agreed(PerMessageDeflate));
      const done = busy.map((instance) => compress(instance, hello));
      const [first, second] = [agreed(PerMessageDeflate), agreed(PerMessageDeflate)];
      const order: string[] = [];
      const calls = [first, first, second, first, second].map(async (instance, index) => {
        await compress(instance, hello);
        order.push(`${instance === first ? 'first' : 'second'} ${index}`);
      });
      expect([first._deflate, second._deflate]).toEqual([null, null]);
      await Promise.all([...done, ...calls]);
      expect(order.filter((name) => name.startsWith('first'))).toEqual(['first 0', 'first 1', 'first 3']);
      expect(order.filter((name) => name.startsWith('second'))).toEqual(['second 2', 'second 4']);
    });

    it('are used if the instance is used again before its old turn', async () => {
      const busy = Array.from({ length: 10 }, () => agreed(PerMessageDeflate));
      const done = busy.map((instance) => compress(instance, hello));
      const instance = agreed(PerMessageDeflate);
      const first = failure(compress(instance, hello));
      instance.cleanup();
      const second = compress(instance, hello);
      expect((await first).message).toBe('The deflate stream was closed while data was being processed');
      expect(await second).toEqual(fromHex('f2 48 cd c9 c9 07 00'));
      await Promise.all(done);
    });
  });

  it('uses the last accepted parameters after it was cleaned up', async () => {
    const instance = agreed(PerMessageDeflate);
    await compress(instance, hello);
    await decompress(instance, deflated(hello));
    instance.cleanup();
    instance.accept(configurations('; client_no_context_takeover; server_no_context_takeover'));
    for (let round = 0; round < 2; round++) expect(await compress(instance, hello)).toHaveLength(7);
    await decompress(instance, deflated(hello));
    expect((await failure(decompress(instance, fromHex('f2 00 11 00 00')))).message).toBe(
      'invalid distance too far back',
    );
  });

  it('calls all pending callbacks when it is cleaned up, to inflate and to deflate, and closes the streams', async () => {
    const instance = agreed(PerMessageDeflate);
    const calls: string[] = [];
    for (let index = 0; index < 3; index++) {
      instance.compress(hello, true, (error) => calls.push(`deflate ${index}: ${error?.message}`));
      instance.decompress(deflated(hello), true, (error) => calls.push(`inflate ${index}: ${error?.message}`));
    }
    const streams = [instance._deflate!, instance._inflate!];
    instance.cleanup();
    const was = (kind: string) =>
      [0, 1, 2].map((index) => `${kind} ${index}: The ${kind} stream was closed while data was being processed`);
    expect(calls).toEqual([...was('deflate'), ...was('inflate')]);
    await Promise.all(streams.map((stream) => once(stream, 'close')));
    expect(streams.every(({ destroyed }) => destroyed)).toBe(true);
    expect(calls).toHaveLength(6);
  });

  it('can be cleaned up from a callback', async () => {
    const instance = agreed(PerMessageDeflate);
    const errors: unknown[] = [];
    await new Promise<void>((resolve) => {
      instance.compress(hello, true, (error) => {
        errors.push(error);
        instance.cleanup();
        resolve();
      });
      instance.compress(hello, true, (error) => errors.push(error?.message));
    });
    expect(errors).toEqual([null, 'The deflate stream was closed while data was being processed']);
    expect(await compress(instance, hello)).toEqual(fromHex('f2 48 cd c9 c9 07 00'));
  });

  describe('a callback that throws', () => {
    /** Collects errors thrown outside of any call from now on. Otherwise they would end the process. */
    function catchUncaught(): unknown[] {
      const listeners = process.listeners('uncaughtException');
      const caught: unknown[] = [];
      process.removeAllListeners('uncaughtException');
      process.on('uncaughtException', (error) => caught.push(error));
      restore = () => {
        process.removeAllListeners('uncaughtException');
        for (const listener of listeners) process.on('uncaughtException', listener);
      };
      return caught;
    }
    let restore = () => {};

    afterEach(() => restore());

    it('delays neither its connection nor the others', async () => {
      const caught = catchUncaught();
      const instance = agreed(PerMessageDeflate, { concurrencyLimit: 1 });
      const thrown = new Error('from the callback');
      instance.compress(hello, true, () => {
        throw thrown;
      });
      expect(await compress(instance, hello)).toEqual(fromHex('f2 00 11 00 00'));
      expect(await compress(agreed(PerMessageDeflate, { concurrencyLimit: 1 }), hello)).toHaveLength(7);
      expect(caught).toEqual([thrown]);
    });

    it('does not keep cleanup() from calling the others', async () => {
      const caught = catchUncaught();
      const instance = agreed(PerMessageDeflate);
      const thrown = new Error('from the callback');
      instance.compress(hello, true, () => {
        throw thrown;
      });
      const other = failure(compress(instance, hello));
      instance.cleanup();
      expect((await other).message).toBe('The deflate stream was closed while data was being processed');
      await compress(instance, hello);
      expect(caught).toEqual([thrown]);
    });
  });
});

// At the end of the file, because each such call costs ws one of its ten zlib slots permanently.
describe.each(Object.entries(implementations))('PerMessageDeflate of %s', (_name, { PerMessageDeflate: By }) => {
  it.each(['compress', 'decompress'] as const)('throws in %s() before an agreement', (method) => {
    expect(() => new By()[method](hello, true, () => {})).toThrow(TypeError);
  });

  it.each(['compress', 'decompress'] as const)('throws in %s() for data of the wrong type', (method) => {
    for (const wrong of [undefined, new ArrayBuffer(3)]) {
      expect(() => agreed(By)[method](wrong as never, true, () => {})).toThrow(
        expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }),
      );
    }
  });
});
