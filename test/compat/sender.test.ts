import { once } from 'node:events';
import { Writable } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import * as ws from 'ws';
import type * as goodwire from '../../src/index.ts';
import { PerMessageDeflate, Receiver, Sender } from '../../src/index.ts';
import { until } from '../support/until.ts';

// The types of ws lack these classes.
const { Sender: WsSender } = ws as unknown as typeof goodwire;
const senders = { goodwire: Sender, ws: WsSender } as const;
const both = Object.entries(senders);

/** Stream that records written data in hex. */
class Sink extends Writable {
  readonly written: string[] = [];

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.written.push(chunk.toString('hex'));
    callback();
  }

  get octets(): string {
    return this.written.join('');
  }
}

const key = (mask: Buffer) => void mask.set([1, 2, 3, 4]);
const text = { binary: false, compress: false, fin: true, mask: false };
const binary = { ...text, binary: true };

describe.each(both)('Sender.frame() of %s', (_name, By) => {
  test('encodes header and payload separately, as the socket.io-adapter uses it', () => {
    const payload = Buffer.from('4hello');
    const frames = By.frame(payload, { readOnly: false, mask: false, rsv1: false, opcode: 1, fin: true });
    expect(frames.map((one) => one.toString('hex'))).toEqual(['8106', payload.toString('hex')]);
    expect(frames[1]).toBe(payload);
  });

  test('does not change a read-only payload, and masks any other in place', () => {
    const options = { opcode: 1, fin: true, mask: true, generateMask: key };
    const kept = Buffer.from('hello');
    const whole = By.frame(kept, { ...options, readOnly: true });
    expect(Buffer.concat(whole).toString('hex')).toBe('81850102030469676f686e');
    expect(String(kept)).toBe('hello');
    const given = Buffer.from('hello');
    const frames = By.frame(given, options);
    expect(Buffer.concat(frames).toString('hex')).toBe('81850102030469676f686e');
    expect(frames[1]).toBe(given);
    expect(given.toString('hex')).toBe('69676f686e');
  });

  test('writes the masking key into the given buffer, and generates one without generateMask', () => {
    const maskBuffer = Buffer.alloc(4);
    const frame = Buffer.concat(
      By.frame(Buffer.alloc(8), { opcode: 2, fin: true, mask: true, readOnly: true, maskBuffer }),
    );
    expect(frame.subarray(2, 6)).toEqual(maskBuffer);
    expect(frame.subarray(6, 10)).toEqual(maskBuffer);
    By.frame(Buffer.alloc(1), { opcode: 2, mask: true, maskBuffer, generateMask: key });
    expect(maskBuffer.toString('hex')).toBe('01020304');
  });

  test('does not end the message, does not mask and sets no RSV bit by default', () => {
    expect(By.frame(Buffer.from('a'), { opcode: 2 })[0]?.toString('hex')).toBe('0201');
    expect(By.frame(Buffer.from('a'), { opcode: 2, rsv1: true })[0]?.toString('hex')).toBe('4201');
  });

  test('accepts text', () => {
    expect(Buffer.concat(By.frame('é', { opcode: 1, fin: true })).toString('hex')).toBe('8102c3a9');
    expect(Buffer.concat(By.frame('é', { opcode: 1, fin: true, mask: true, generateMask: key })).toString('hex')).toBe(
      '818201020304c2ab',
    );
  });
});

test('Sender.frame() returns the same bytes in the same pieces as that of ws, for all options', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(125, 126, 65_535, 65_536)),
      fc.record({
        opcode: fc.constantFrom(0, 1, 2, 8, 9, 10),
        fin: fc.boolean(),
        rsv1: fc.boolean(),
        mask: fc.boolean(),
        readOnly: fc.boolean(),
        generateMask: fc.constantFrom(
          key,
          (mask: Buffer) => void mask.fill(0),
          (mask: Buffer) => void mask.fill(255),
        ),
      }),
      (length, options) => {
        const [ours, theirs] = [Sender, WsSender].map((By) => {
          const payload = Buffer.alloc(length, 'payload');
          const frames = By.frame(payload, options);
          return { frames: frames.map((one) => one.toString('latin1')), isSame: frames[1] === payload, payload };
        });
        expect(ours).toEqual(theirs);
      },
    ),
  );
});

test('both Senders write the same bytes for the same calls, and call the callbacks in the same order', async () => {
  const data = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 130 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 4 }).map((octets) => octets.buffer.slice(0)),
    fc.uint8Array({ maxLength: 20 }).map((octets) => new DataView(octets.buffer.slice(0))),
    fc.uint8Array({ maxLength: 9 }).map((octets) => new Blob([octets.slice()])),
  );
  const send = fc.record({
    method: fc.constant('send' as const),
    data,
    options: fc.record({ binary: fc.boolean(), compress: fc.boolean(), fin: fc.boolean(), mask: fc.boolean() }),
  });
  const control = fc.record({
    method: fc.constantFrom('ping' as const, 'pong' as const),
    data: fc.oneof(fc.string({ maxLength: 126 }), fc.uint8Array({ maxLength: 126 })),
    mask: fc.boolean(),
  });
  const close = fc.record({
    method: fc.constant('close' as const),
    code: fc.constantFrom(undefined, 1000, 3000, 1005),
    reason: fc.constantFrom(undefined, '', 'reason', 'x'.repeat(124)),
    mask: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof({ weight: 3, arbitrary: send }, control, close), { maxLength: 8 }),
      fc.boolean(),
      fc.boolean(),
      async (calls, isServer, hasContext) => {
        const results = await Promise.all(
          [Sender, WsSender].map(async (By) => {
            const socket = new Sink();
            let keys = 0;
            const deflate = {
              _isServer: isServer,
              _threshold: 20,
              params: hasContext ? {} : { server_no_context_takeover: true },
              compress(octets: Uint8Array | string, fin: boolean, callback: (error: null, octets: Buffer) => void) {
                setImmediate(
                  callback,
                  null,
                  Buffer.from(`<${Buffer.from(octets as Uint8Array).toString('hex')}${fin}`),
                );
              },
            };
            const sender = new By(socket, { 'permessage-deflate': deflate }, (mask) => void mask.fill(++keys));
            const answers: unknown[] = [];
            for (const [i, call] of calls.entries()) {
              const answer = (error?: Error | null) => answers.push(error ? error.message : i);
              try {
                if (call.method === 'send') sender.send(call.data, call.options, answer);
                else if (call.method === 'close') sender.close(call.code, call.reason, call.mask, answer);
                else sender[call.method](call.data, call.mask, answer);
              } catch (error) {
                answers.push(`threw ${i} ${(error as Error).message}`);
              }
            }
            await until(() => answers.length === calls.length);
            return { octets: socket.octets, answers, bufferedBytes: sender._bufferedBytes };
          }),
        );
        expect(results[0]).toEqual(results[1]);
      },
    ),
  );
});

describe.each(both)('a Sender of %s', (_name, By) => {
  test('sends no reason without a code', () => {
    const socket = new Sink();
    new By(socket).close(undefined, 'reason', false);
    expect(socket.octets).toBe('8800');
  });

  test('treats any truthy value as a set option', () => {
    const socket = new Sink();
    const options = { binary: 1, fin: 'yes', mask: {} } as unknown as typeof text;
    new By(socket, {}, key).send('a', options);
    expect(socket.octets).toBe('82810102030460');
    const frames = By.frame(Buffer.from('a'), { opcode: 1, fin: 1, rsv1: 1 } as unknown as typeof text & { opcode: 1 });
    expect(frames[0]?.toString('hex')).toBe('c101');
  });

  test('sends messages, fragments, pings, pongs and a close frame', async () => {
    const socket = new Sink();
    const sender = new By(socket, {}, key);
    const sent = vi.fn();
    sender.send('hi', { ...text, mask: true }, sent);
    sender.send(Buffer.from('a'), { ...binary, fin: false });
    expect(sender._firstFragment).toBe(false);
    sender.send('b', text);
    expect(sender._firstFragment).toBe(true);
    sender.ping(Buffer.from('p'), false);
    sender.pong('q', true);
    sender.close(1000, 'x', true, sent);
    await until(() => sent.mock.calls.length === 2);
    const frames = ['818201020304696b', '020161', '800162', '890170', '8a810102030470', '88830102030402ea7b'];
    expect(socket.octets).toBe(frames.join(''));
    expect(sender._socket).toBe(socket);
    expect(sender._bufferedBytes).toBe(0);
  });

  test('sends a close frame without a payload, and refuses invalid codes and reasons', () => {
    const socket = new Sink();
    const sender = new By(socket, {}, key);
    sender.close(undefined, undefined, false);
    expect(socket.octets).toBe('8800');
    for (const code of [999, 1005, 'a' as unknown as number]) {
      expect(() => sender.close(code, '', false)).toThrow(TypeError);
    }
    expect(() => sender.close(1000, 'x'.repeat(124), false)).toThrow(RangeError);
    expect(() => sender.ping(Buffer.alloc(126), false)).toThrow('The data size must not be greater than 125 bytes');
    expect(() => sender.pong('x'.repeat(126), false)).toThrow(RangeError);
    expect(socket.octets).toBe('8800');
  });

  test('refuses a reason whose elements are no octets, and ignores one without a length', () => {
    const socket = new Sink();
    const sender = new By(socket, {}, key);
    for (const reason of [new Uint16Array([0x6f6b]), new Int8Array([0x6f, 0x6b]), ['o', 'k']]) {
      expect(() => sender.close(1000, reason as unknown as Uint8Array, false)).toThrow(TypeError);
    }
    expect(socket.octets).toBe('');
    sender.close(1000, new DataView(new ArrayBuffer(2)) as unknown as Uint8Array, false);
    sender.close(1000, new Uint8Array([0x6f, 0x6b]), false);
    expect(socket.octets).toBe('880203e8' + '880403e86f6b');
  });

  test('dispatches a frame as it is described, at once or compressed', async () => {
    const socket = new Sink();
    const deflate = new PerMessageDeflate({ threshold: 0 });
    deflate.accept([{ client_no_context_takeover: [true] }]);
    const sender = new By(socket, { 'permessage-deflate': deflate }, key) as unknown as {
      dispatch(data: Buffer, compress: boolean, options: object, callback?: (error?: Error | null) => void): void;
    };
    const frame = { fin: true, opcode: 1, mask: false, readOnly: true };
    await new Promise<unknown>((resolve) => sender.dispatch(Buffer.from('hi'), false, frame, resolve));
    expect(socket.octets).toBe('81026869');
    await new Promise<unknown>((resolve) =>
      sender.dispatch(Buffer.from('hihihihihi'), true, { ...frame, rsv1: true }, resolve),
    );
    expect(socket.octets).toMatch(/^81026869c1/);
    if (By !== Sender) return;
    // ws fails without an extension.
    const plain = new Sink();
    new Sender(plain).dispatch(Buffer.from('hi'), true, { ...frame, rsv1: true });
    expect(plain.octets).toBe('81026869');
  });

  test('never changes its arguments', () => {
    const sender = new By(new Sink(), {}, key);
    const octets = new Uint8Array([1, 2, 3]);
    for (const data of [octets, octets.buffer, Buffer.from(octets.buffer), new DataView(octets.buffer)]) {
      sender.send(data, { ...binary, mask: true });
      sender.ping(data, true);
    }
    expect([...octets]).toEqual([1, 2, 3]);
  });

  test('keeps the order behind a Blob, and counts queued data', async () => {
    const socket = new Sink();
    const sender = new By(socket, {}, key);
    const sent = vi.fn();
    sender.send('before', text);
    sender.send(new Blob(['blob']), binary, sent);
    sender.send('after', text);
    sender.ping(new Blob(['ping']), false);
    sender.pong('z', false, sent);
    expect(sender._bufferedBytes).toBe(4 + 5 + 4 + 1);
    sender.close(1000, '', false, sent);
    await until(() => sent.mock.calls.length === 3);
    const frames = ['before', 'blob', 'after', 'ping'].map((one) => Buffer.from(one).toString('hex'));
    expect(socket.octets).toBe(`8106${frames[0]}8204${frames[1]}8105${frames[2]}8904${frames[3]}8a017a880203e8`);
    expect(sender._bufferedBytes).toBe(0);
  });

  test('calls the callback and onerror if a Blob cannot be read', async () => {
    const sender = new By(new Sink(), {}, key);
    const onerror = vi.fn();
    sender.onerror = onerror;
    const blob = Object.assign(new Blob(['x']), { arrayBuffer: () => Promise.reject(new Error('unreadable')) });
    const failed = vi.fn();
    sender.send(blob, binary, failed);
    await until(() => onerror.mock.calls.length === 1 && failed.mock.calls.length === 1);
    expect([failed, onerror].map((mock) => mock.mock.calls[0]?.[0]?.message)).toEqual(['unreadable', 'unreadable']);
  });

  test('calls every callback if the socket is closed while a Blob is read', async () => {
    const socket = new Sink();
    const sender = new By(socket, {}, key);
    const failed = vi.fn();
    sender.send(new Blob(['x']), binary, failed);
    sender.send('behind', text, failed);
    socket.destroy();
    await until(() => failed.mock.calls.length === 2);
    for (const [error] of failed.mock.calls)
      expect(error.message).toBe('The socket was closed while the blob was being read');
    expect(socket.octets).toBe('');
  });

  test('writes encoded frames unchanged', async () => {
    const socket = new Sink();
    const sender = new By(socket, {});
    const sent = vi.fn();
    sender.sendFrame([Buffer.from('aa'), Buffer.from('bb')], sent);
    sender.sendFrame([Buffer.from('cc')], sent);
    await until(() => sent.mock.calls.length === 2);
    expect(socket.octets).toBe(Buffer.from('aabbcc').toString('hex'));
  });

  describe('with permessage-deflate', () => {
    /** Compresses a message to itself in brackets, asynchronously. */
    const brackets = (params: object = {}) => ({
      _isServer: false,
      _threshold: 5,
      params,
      compress(data: Uint8Array | string, fin: boolean, callback: (error: Error | null, octets: Buffer) => void) {
        const octets = Buffer.from(`<${Buffer.from(data as Uint8Array)}${fin ? '>' : ''}`);
        setImmediate(callback, null, octets);
      },
      cleanup() {},
    });
    const compressed = { ...text, compress: true };

    test('compresses on request, sets RSV1 on the first frame, and keeps the order', async () => {
      const socket = new Sink();
      const sender = new By(socket, { 'permessage-deflate': brackets() }, key);
      const sent = vi.fn();
      sender.send('one', compressed, sent);
      sender.send('plain', text);
      sender.send('tw', { ...compressed, fin: false });
      sender.send('o', compressed);
      sender.send(new Blob(['b']), { ...compressed, binary: true });
      sender.ping('p', false, sent);
      expect(socket.octets).toBe('');
      await until(() => sent.mock.calls.length === 2);
      const written = Buffer.from(socket.octets, 'hex').toString('latin1');
      expect(written).toBe('\xc1\x05<one>\x81\x05plain\x41\x03<tw\x80\x03<o>\xc2\x03<b>\x89\x01p');
      expect(sender._bufferedBytes).toBe(0);
    });

    test('does not compress below the threshold without context takeover', async () => {
      const socket = new Sink();
      const deflate = brackets({ client_no_context_takeover: true });
      const sender = new By(socket, { 'permessage-deflate': deflate }, key);
      const sent = vi.fn();
      sender.send('1234', compressed, sent);
      sender.send('12345', compressed, sent);
      await until(() => sent.mock.calls.length === 2);
      expect(Buffer.from(socket.octets, 'hex').toString('latin1')).toBe('\x81\x041234\xc1\x07<12345>');
    });

    test('calls every callback if the socket is closed meanwhile', async () => {
      const socket = new Sink();
      const sender = new By(socket, { 'permessage-deflate': brackets() }, key);
      const failed = vi.fn();
      sender.send('one', compressed, failed);
      sender.send('two', compressed, failed);
      socket.destroy();
      await until(() => failed.mock.calls.length === 2);
      for (const [error] of failed.mock.calls) {
        expect(error.message).toBe('The socket was closed while data was being compressed');
      }
    });
  });
});

describe('a Sender of goodwire', () => {
  test('sends 20 000 messages queued behind a Blob', async () => {
    const socket = new Sink({ highWaterMark: 2 ** 24 });
    const sender = new Sender(socket);
    sender.send(new Blob(['b']), binary);
    for (let i = 0; i < 20_000; i++) sender.ping();
    await until(() => sender._state === 0);
    await immediate();
    expect(socket.octets).toHaveLength(2 * (3 + 40_000));
  });

  test('passes errors of a compressor to the callbacks, and sends later messages', async () => {
    const socket = new Sink();
    const deflate = {
      compress: (_data: unknown, _fin: boolean, callback: (error: Error | null, octets: Buffer) => void) =>
        callback(new Error('no memory'), Buffer.alloc(0)),
    };
    const sender = new Sender(socket, { 'permessage-deflate': deflate });
    const failed = vi.fn();
    sender.send('a', { ...text, compress: true }, failed);
    sender.send('b', text);
    await until(() => failed.mock.calls.length === 1);
    expect(failed.mock.calls[0]?.[0]?.message).toBe('no memory');
    expect(socket.octets).toBe('810162');
  });

  test('encodes an ArrayBuffer, for which ws writes a header without its length', () => {
    const frames = Sender.frame(new Uint8Array([1, 2]).buffer, { opcode: 2, fin: true });
    expect(frames.map((one) => one.toString('hex'))).toEqual(['8202', '0102']);
  });

  test('calls the callback for a list of no frames', async () => {
    const sent = vi.fn();
    const sender = new Sender(new Sink());
    sender.sendFrame([]);
    sender.sendFrame([], sent);
    await until(() => sent.mock.calls.length === 1);
    expect(sent.mock.calls).toEqual([[]]);
  });

  test('does not change the data returned by an extension, and copies it if it must be queued', async () => {
    const socket = new Sink();
    const deflate = {
      compress: (data: Uint8Array | string, _fin: boolean, callback: (error: null, octets: Buffer) => void) =>
        setImmediate(callback, null, data as Buffer),
    };
    const sender = new Sender(socket, { 'permessage-deflate': deflate }, key);
    const first = Buffer.from('aaaa');
    const second = Buffer.from('bbbb');
    const third = Buffer.from('cccc');
    sender.send(first, { ...binary, mask: true, compress: true });
    sender.send(second, { ...binary, compress: true });
    sender.send(third, binary);
    second.fill('x');
    third.fill('x');
    await until(() => sender._state === 0);
    expect(String(first)).toBe('aaaa');
    expect(socket.octets).toBe('c2840102030460636265c20462626262820463636363');
  });

  const failing = (fails: () => never) => ({ 'permessage-deflate': { compress: fails } });
  const fails = () => {
    throw new Error('out of order');
  };

  test.each<[string, () => Sender, unknown]>([
    ['an extension', () => new Sender(new Sink(), failing(fails)), 'message'],
    ['an extension, at a Blob', () => new Sender(new Sink(), failing(fails)), new Blob(['message'])],
    ['generateMask, at a Blob', () => new Sender(new Sink(), {}, fails), new Blob(['message'])],
    ['a Blob', () => new Sender(new Sink()), Object.assign(new Blob(['x']), { arrayBuffer: fails })],
  ])('passes the error of %s to the callbacks and onerror, and continues', async (_title, create, data) => {
    const sender = create();
    const told = vi.fn();
    sender.onerror = (error) => told('onerror', error.message);
    sender.send(data as string, { ...text, compress: true, mask: true }, (error) => told('callback', error?.message));
    await until(() => told.mock.calls.length === 2);
    expect(told.mock.calls).toEqual([
      ['callback', 'out of order'],
      ['onerror', 'out of order'],
    ]);
    expect([sender._state, sender._bufferedBytes]).toEqual([0, 0]);
    sender.send('after', text);
    expect((sender._socket as Sink).octets).toBe('81056166746572');
  });

  test('accepts a result that arrives before the extension throws', async () => {
    const socket = new Sink();
    const deflate = {
      compress(_data: unknown, _fin: boolean, callback: (error: null, octets: Buffer) => void): void {
        callback(null, Buffer.from('1'));
        fails();
      },
    };
    const sender = new Sender(socket, { 'permessage-deflate': deflate });
    const told = vi.fn();
    sender.onerror = told;
    sender.send('a', { ...text, compress: true }, told);
    await until(() => told.mock.calls.length > 0);
    await immediate();
    expect(told.mock.calls.map(([error]) => error ?? null)).toEqual([null]);
    expect([socket.octets, sender._state, sender._bufferedBytes]).toEqual(['c10131', 0, 0]);
  });

  test('discards the queue after a failure, also without callbacks', async () => {
    const socket = new Sink();
    const sender = new Sender(socket, failing(fails));
    sender.send(new Blob(['a']), { ...binary, compress: true });
    sender.send('b', text);
    await until(() => sender._state === 0);
    expect([socket.octets, sender._bufferedBytes]).toEqual(['', 0]);
  });

  test('compresses nothing with an extension without context and threshold, as ws', async () => {
    const deflate = { params: { client_no_context_takeover: true }, compress: fails };
    for (const By of [Sender, WsSender]) {
      const socket = new Sink();
      new By(socket, { 'permessage-deflate': deflate }).send('a', { ...text, compress: true });
      expect(socket.octets).toBe('810161');
    }
  });

  test('accepts only the first result of an extension, and requires one', async () => {
    const socket = new Sink();
    const twice = {
      compress(_data: unknown, _fin: boolean, callback: (error: null, octets?: Buffer) => void) {
        setImmediate(() => {
          callback(null, Buffer.from('1'));
          callback(null, Buffer.from('2'));
        });
      },
    };
    const sent = vi.fn();
    const sender = new Sender(socket, { 'permessage-deflate': twice });
    sender.send('a', { ...text, compress: true }, sent);
    await until(() => sent.mock.calls.length === 1);
    await immediate();
    expect([socket.octets, sender._bufferedBytes, sent.mock.calls.length]).toEqual(['c10131', 0, 1]);
    const never = { compress: (_data: unknown, _fin: boolean, callback: (error: null) => void) => callback(null) };
    const failed = vi.fn();
    new Sender(socket, { 'permessage-deflate': never }).send('a', { ...text, compress: true }, failed);
    await until(() => failed.mock.calls.length === 1);
    expect(failed.mock.calls[0]?.[0]?.message).toBe('The extension returned no compressed data');
  });

  test('sends uncompressed without an extension, and numbers as text', () => {
    const socket = new Sink();
    const sender = new Sender(socket);
    sender.send(42, { ...text, compress: true });
    sender.ping(7);
    expect(socket.octets).toBe('81023432890137');
  });

  test('names the reason if a Blob cannot be read and the reason is not an Error', async () => {
    const sender = new Sender(new Sink());
    const blob = Object.assign(new Blob(['x']), { arrayBuffer: () => Promise.reject('why not') });
    const error = await new Promise<Error>((resolve) =>
      sender.send(blob, binary, (reason) => resolve(reason as Error)),
    );
    expect(error).toMatchObject({ message: 'The Blob could not be read', cause: 'why not' });
  });

  test('is understood by our Receiver if our PerMessageDeflate compresses', async () => {
    const server = new PerMessageDeflate({ isServer: true, threshold: 0 });
    const client = new PerMessageDeflate({ isServer: false });
    const agreed = server.accept([{}]);
    client.accept([Object.fromEntries(Object.entries(agreed).map(([name, value]) => [name, [value]]))]);
    const receiver = new Receiver({ extensions: { 'permessage-deflate': client } });
    const sender = new Sender(receiver, { 'permessage-deflate': server });
    const message = once(receiver, 'message');
    sender.send('hello '.repeat(1000), { ...text, compress: true });
    expect(String((await message)[0])).toBe('hello '.repeat(1000));
    server.cleanup();
    client.cleanup();
  });
});
