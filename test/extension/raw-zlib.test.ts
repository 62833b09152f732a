import { createHook } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import zlib from 'node:zlib';
import { afterEach, describe, expect, it, test, vi } from 'vitest';
import {
  chooseRung,
  documentedRung,
  handleRung,
  handleRungOver,
  type ZlibRung,
  type ZlibStreams,
  zlibRung,
} from '../../src/extension/raw-zlib.ts';
import { rungs } from './rungs.ts';

const tail = Buffer.of(0x00, 0x00, 0xff, 0xff);

const inflated = (...pieces: Buffer[]): Buffer =>
  zlib.inflateRawSync(Buffer.concat(pieces.flatMap((piece) => [piece, tail])), {
    finishFlush: zlib.constants.Z_SYNC_FLUSH,
  });

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the choice of a rung', () => {
  it('is the handle in this Node, determined once', () => {
    expect(zlibRung()).toBe(handleRung);
    expect(zlibRung()).toBe(zlibRung());
  });

  it('is the first one that works', () => {
    const rung = (name: string, works: boolean): ZlibRung => ({ ...documentedRung, name, works: () => works });
    const second = rung('second', true);
    expect(chooseRung([rung('first', false), second, rung('third', true)])).toBe(second);
  });

  it('is the documented API if nothing else works', () => {
    expect(chooseRung([handleRungOver({ createDeflateRaw: () => ({}), createInflateRaw: () => ({}) })])).toBe(
      documentedRung,
    );
    expect(documentedRung.works()).toBe(true);
  });
});

describe('the self-test of the handle', () => {
  interface Handle {
    writeSync: (...parts: unknown[]) => void;
    reset: () => void;
    onerror: (message: string, errno: number, code: string) => void;
  }
  interface Stream {
    _handle: Handle | undefined;
    _writeState: Uint32Array | number[];
  }

  /** zlib of a future Node: every stream is changed after its creation. */
  const changed = (change: (stream: Stream) => void): ZlibStreams => {
    const created = (make: (options: object) => object) => (options: object) => {
      const stream = make(options);
      change(stream as Stream);
      return stream;
    };
    return { createDeflateRaw: created(zlib.createDeflateRaw), createInflateRaw: created(zlib.createInflateRaw) };
  };

  it('is passed by unmodified zlib', () => {
    expect(handleRungOver(zlib).works()).toBe(true);
    expect(handleRungOver(changed(() => {})).works()).toBe(true);
  });

  const noHandle = (stream: Stream): void => {
    stream._handle = undefined;
  };
  const replaced =
    (name: 'writeSync' | 'reset', value: unknown) =>
    ({ _handle: handle }: Stream): void => {
      Object.assign(handle as Handle, { [name]: value });
    };
  /** Runs `spoil` before each write. Its result replaces the arguments of the write. */
  const spoiled =
    (spoil: (parts: unknown[]) => unknown[]) =>
    ({ _handle: handle }: Stream): void => {
      const writeSync = (handle as Handle).writeSync.bind(handle);
      (handle as Handle).writeSync = (...parts) => writeSync(...spoil(parts));
    };

  test.each([
    ['a stream has no handle', noHandle],
    ['a handle has no writeSync', replaced('writeSync', undefined)],
    ['a handle has no reset', replaced('reset', undefined)],
    ['a write does nothing', replaced('writeSync', () => {})],
    ['a reset does nothing', replaced('reset', () => {})],
    [
      'there is no state',
      (stream: Stream) => {
        stream._writeState = [0, 0];
      },
    ],
    [
      'the state is the other way round',
      (stream: Stream) => {
        const state = stream._writeState;
        const handle = stream._handle as Handle;
        const writeSync = handle.writeSync.bind(handle);
        handle.writeSync = (...parts) => {
          writeSync(...parts);
          state.reverse();
        };
      },
    ],
    ['a write flushes nothing', spoiled(([, ...parts]) => [zlib.constants.Z_NO_FLUSH, ...parts])],
    [
      'a write does not stop at the end of a block',
      spoiled(([flush, ...parts]) => [
        flush === zlib.constants.Z_BLOCK ? zlib.constants.Z_SYNC_FLUSH : flush,
        ...parts,
      ]),
    ],
    [
      'errors are not reported',
      ({ _handle: handle }: Stream) => {
        Object.defineProperty(handle, 'onerror', { get: () => () => {}, set: () => {} });
      },
    ],
  ])('fails when %s', (_title, change) => {
    expect(handleRungOver(changed(change)).works()).toBe(false);
  });
});

describe.each(rungs)('zlib by the rung "%s"', (_name, rung) => {
  it('works', () => {
    expect(rung.works()).toBe(true);
  });

  it('deflates pieces of one stream, each of which can be inflated at once', () => {
    const deflater = rung.createDeflater({ windowBits: 15 });
    const text = randomBytes(300);
    const first = deflater.deflate(text);
    const second = deflater.deflate(text);
    expect(inflated(first, second)).toEqual(Buffer.concat([text, text]));
    // Shorter only because of the window.
    expect(second.length).toBeLessThan(20);
    deflater.close();
  });

  it.each([65_530, 65_531, 65_532, 65_533, 65_534, 65_535, 65_536, 131_072, 200_000])(
    'deflates %i incompressible octets to more than any of its buffers holds',
    (length) => {
      const deflater = rung.createDeflater({ windowBits: 15, level: 0 });
      const octets = randomBytes(length);
      const first = deflater.deflate(octets);
      const read = inflated(first, deflater.deflate(Buffer.from('Hello')));
      // toEqual would compare octet by octet, which is slow.
      expect(read.equals(Buffer.concat([octets, Buffer.from('Hello')]))).toBe(true);
      deflater.close();
    },
  );

  it('starts a new stream after a reset and after a close', () => {
    const deflater = rung.createDeflater({ windowBits: 15 });
    const text = randomBytes(300);
    const first = deflater.deflate(text);
    deflater.reset();
    expect(deflater.deflate(text)).toEqual(first);
    deflater.close();
    expect(deflater.deflate(text)).toEqual(first);
    const inflater = rung.createInflater({ windowBits: 15 });
    const second = deflater.deflate(text);
    expect(inflater.inflate(first, 0, 300)).toEqual(text);
    expect(inflater.inflate(second, 0, 300)).toEqual(text);
    inflater.close();
    expect(() => inflater.inflate(second, 0, 300)).toThrow('invalid distance too far back');
    deflater.close();
    inflater.close();
  });

  it('can be reset and closed before use, and closed twice', () => {
    const deflater = rung.createDeflater({ windowBits: 15 });
    const inflater = rung.createInflater({ windowBits: 15 });
    for (const state of [deflater, inflater]) {
      state.reset();
      state.close();
      state.close();
    }
    expect(inflater.inflate(deflater.deflate(Buffer.from('Hello')), 0, 5)?.toString()).toBe('Hello');
  });

  it('has the dictionary in the window, again after each reset', () => {
    const dictionary = randomBytes(400);
    const deflater = rung.createDeflater({ windowBits: 15, dictionary });
    const inflater = rung.createInflater({ windowBits: 15, dictionary });
    for (let i = 0; i < 3; i++) {
      const octets = deflater.deflate(dictionary.subarray(10));
      expect(octets.length).toBeLessThan(30);
      expect(inflater.inflate(octets, 0, 390)).toEqual(dictionary.subarray(10));
      deflater.reset();
      inflater.reset();
    }
    deflater.close();
    inflater.close();
  });

  it('accepts level, memLevel and strategy', () => {
    const text = Buffer.from('to be or not to be, that is the question; '.repeat(100));
    const length = (options: object): number => {
      const deflater = rung.createDeflater({ windowBits: 15, ...options });
      const octets = deflater.deflate(text);
      expect(octets).toEqual(
        zlib.deflateRawSync(text, { ...options, finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4),
      );
      deflater.close();
      return octets.length;
    };
    expect(length({ level: 0 })).toBeGreaterThan(text.length);
    expect(length({ level: 9 })).toBeLessThan(length({ level: 1 }));
    expect(length({ strategy: zlib.constants.Z_HUFFMAN_ONLY })).toBeGreaterThan(length({}));
    expect(length({ memLevel: 1 })).toBeLessThan(text.length);
  });

  it('ignores options for the streams of zlib', () => {
    const streamOptions = { flush: 99, chunkSize: 0, info: true, maxOutputLength: 1, finishFlush: 0 };
    const deflater = rung.createDeflater({ windowBits: 15, ...streamOptions });
    const inflater = rung.createInflater({ windowBits: 15, ...streamOptions });
    expect(inflater.inflate(deflater.deflate(Buffer.from('Hello')), 0, 5)?.toString()).toBe('Hello');
  });

  it.each([
    ['level', { level: 99 }],
    ['memLevel', { memLevel: 0 }],
    ['strategy', { strategy: 99 }],
    ['windowBits', { windowBits: 16 }],
  ])('throws the error of zlib for a wrong %s', (_option, options) => {
    const deflater = rung.createDeflater({ windowBits: 15, ...options });
    expect(() => deflater.deflate(Buffer.of(1))).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });

  it('throws the error of zlib for an invalid window to inflate with', () => {
    const inflater = rung.createInflater({ windowBits: 99 });
    expect(() => inflater.inflate(Buffer.of(1), 0, 1)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });

  it('does not touch octets outside the view', () => {
    const around = Buffer.from('xxxHelloxxx');
    const deflater = rung.createDeflater({ windowBits: 15 });
    const octets = deflater.deflate(new Uint8Array(around.buffer, around.byteOffset + 3, 5));
    expect(inflated(octets).toString()).toBe('Hello');
    const padded = Buffer.concat([Buffer.of(0xff, 0xff), octets, Buffer.of(0xff)]);
    const inflater = rung.createInflater({ windowBits: 15 });
    const view = new Uint8Array(padded.buffer, padded.byteOffset + 1, octets.length + 1);
    expect(inflater.inflate(view, 1, 5)?.toString()).toBe('Hello');
    expect(inflater.end).toBe(view.length);
    deflater.close();
    inflater.close();
  });
});

describe('the handle', () => {
  it.each(['inflate', 'peek'] as const)(
    'is not affected by an async hook that inflates while %s() creates a stream',
    (name) => {
      const deflater = handleRung.createDeflater({ windowBits: 15 });
      const [ours, theirs] = ['a', 'b'].map((letter) => {
        const octets = deflater.deflate(Buffer.from(letter.repeat(3000)));
        deflater.reset();
        return octets;
      }) as [Buffer, Buffer];
      deflater.close();
      const inflater = handleRung.createInflater({ windowBits: 15 });
      let isInside = false;
      let hook = '';
      const hooks = createHook({
        init(_id, type) {
          if (type !== 'ZLIB' || isInside) return;
          isInside = true;
          hook = String(inflater.inflate(theirs, 0, 10_000));
        },
      }).enable();
      const inflated = name === 'peek' ? inflater.peek(ours, 10_000) : inflater.inflate(ours, 0, 10_000);
      hooks.disable();
      inflater.close();
      expect([String(inflated), hook]).toEqual(['a'.repeat(3000), 'b'.repeat(3000)]);
    },
  );

  it('is recreated after an error of the deflater', () => {
    let made = 0;
    const rung = handleRungOver({
      createInflateRaw: zlib.createInflateRaw,
      createDeflateRaw: (options) => {
        const stream = zlib.createDeflateRaw(options) as unknown as {
          _handle: { writeSync: () => void; onerror: (...error: unknown[]) => void };
        };
        const { _handle: handle } = stream;
        if (made++ === 0) handle.writeSync = () => handle.onerror('Zlib error', -4, 'Z_MEM_ERROR');
        return stream;
      },
    });
    const deflater = rung.createDeflater({ windowBits: 15 });
    const lacksMemory = expect.objectContaining({ message: 'Zlib error', errno: -4, code: 'Z_MEM_ERROR' });
    expect(() => deflater.deflate(Buffer.from('Hello'))).toThrow(lacksMemory);
    expect(inflated(deflater.deflate(Buffer.from('Hello'))).toString()).toBe('Hello');
    expect(made).toBe(2);
    deflater.close();
  });
});
