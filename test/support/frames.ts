import fc from 'fast-check';
import type { Frame } from '../../src/frame/frame.ts';
import { FrameCollector, FrameDecoder, type FrameDecoderOptions } from '../../src/frame/frame-decoder.ts';
import type { Opcode } from '../../src/frame/opcode.ts';
import { ProtocolError } from '../../src/frame/protocol-error.ts';
import { fromHex, toHex } from './hex.ts';
import { type Cut, cutOctets, exampleKey, type LengthForm, naiveFrame, naiveHeader } from './octets.ts';

/** Properties of a frame that tests compare; the payload in hex. */
export interface SeenFrame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly rsv1: boolean;
  readonly payload: string;
}

/** Properties of a violation that tests compare. */
export interface SeenError {
  readonly code: string;
  readonly closeCode: number;
  readonly section: string;
  readonly message: string;
  readonly detail: string;
}

export function seenFrame({ opcode, fin, rsv1, payload }: Frame): SeenFrame {
  return { opcode, fin, rsv1, payload: toHex(payload) };
}

/** Converts a ProtocolError to a value. Other errors are faults and are rethrown. */
export function seenError(error: unknown): SeenError {
  if (!(error instanceof ProtocolError)) throw error;
  const { code, closeCode, section, message, detail } = error;
  return { code, closeCode, section, message, detail };
}

/** Decodes octets split by a cut. Returns the frames, and the violation that ended decoding. */
export function decodeFrames(
  octets: Uint8Array,
  cut: Cut,
  options: FrameDecoderOptions,
): { frames: SeenFrame[]; error: SeenError | null } {
  const decoder = new FrameDecoder(options);
  const collector = new FrameCollector();
  let error: SeenError | null = null;
  try {
    for (const chunk of cutOctets(octets, cut)) {
      const end = decoder.decode(chunk, 0, collector);
      if (end !== chunk.length) throw new Error(`the decoder took ${end} octets of ${chunk.length}`);
    }
  } catch (thrown) {
    error = seenError(thrown);
  }
  return { frames: collector.frames.map(seenFrame), error };
}

/**
 * Vectors of RFC 6455 §5.7. `receiver` is the end that may receive them. `rest` is the payload if the RFC does not
 * print it.
 */
export const vectors: readonly {
  readonly title: string;
  readonly receiver: 'client' | 'server';
  readonly key: number | null;
  readonly octets: Buffer;
  readonly frames: readonly { opcode: Opcode; fin: boolean; payload: Buffer }[];
}[] = (() => {
  const hello = Buffer.from('Hello');
  const of = (text: string, rest: Uint8Array = Buffer.alloc(0)) => Buffer.concat([fromHex(text), rest]);
  const short = Buffer.from(Array.from({ length: 256 }, (_, i) => (i * 7) & 255));
  const long = Buffer.from(Array.from({ length: 65_536 }, (_, i) => (i * 11 + (i >> 8)) & 255));
  return [
    {
      title: 'a single-frame unmasked text message (81 05 48 65 6c 6c 6f)',
      receiver: 'client',
      key: null,
      octets: of('81 05 48 65 6c 6c 6f'),
      frames: [{ opcode: 1, fin: true, payload: hello }],
    },
    {
      title: 'a single-frame masked text message (81 85 37 fa 21 3d 7f 9f 4d 51 58)',
      receiver: 'server',
      key: exampleKey,
      octets: of('81 85 37 fa 21 3d 7f 9f 4d 51 58'),
      frames: [{ opcode: 1, fin: true, payload: hello }],
    },
    {
      title: 'a fragmented unmasked text message (01 03 48 65 6c, 80 02 6c 6f)',
      receiver: 'client',
      key: null,
      octets: of('01 03 48 65 6c 80 02 6c 6f'),
      frames: [
        { opcode: 1, fin: false, payload: hello.subarray(0, 3) },
        { opcode: 0, fin: true, payload: hello.subarray(3) },
      ],
    },
    {
      title: 'an unmasked ping (89 05 48 65 6c 6c 6f)',
      receiver: 'client',
      key: null,
      octets: of('89 05 48 65 6c 6c 6f'),
      frames: [{ opcode: 9, fin: true, payload: hello }],
    },
    {
      title: 'a masked pong (8a 85 37 fa 21 3d 7f 9f 4d 51 58)',
      receiver: 'server',
      key: exampleKey,
      octets: of('8a 85 37 fa 21 3d 7f 9f 4d 51 58'),
      frames: [{ opcode: 10, fin: true, payload: hello }],
    },
    {
      title: '256 octets of binary in a single unmasked frame (82 7e 01 00 …)',
      receiver: 'client',
      key: null,
      octets: of('82 7e 01 00', short),
      frames: [{ opcode: 2, fin: true, payload: short }],
    },
    {
      title: '64 KiB of binary in a single unmasked frame (82 7f 00 00 00 00 00 01 00 00 …)',
      receiver: 'client',
      key: null,
      octets: of('82 7f 00 00 00 00 00 01 00 00', long),
      frames: [{ opcode: 2, fin: true, payload: long }],
    },
  ];
})();

/** Frame of a peer. `form` may be a longer encoding of the length than necessary. */
export interface SentFrame {
  readonly opcode: Opcode;
  readonly fin: boolean;
  readonly rsv1: boolean;
  readonly payload: Uint8Array;
  readonly key: number;
  readonly form?: LengthForm | undefined;
}

/** Returns the octets of a frame, masked for a server and unmasked for a client. */
export function sentOctets(
  { opcode, fin, rsv1, payload, key, form }: SentFrame,
  receiver: 'client' | 'server',
): Buffer {
  const first = opcode | (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0);
  return naiveFrame(first, payload, receiver === 'server' ? key : null, form);
}

const payloads = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 2, arbitrary: fc.uint8Array({ minLength: 110, maxLength: 140, size: 'max' }) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 500, maxLength: 1200, size: 'max' }) },
);
const keys = fc.oneof(fc.integer(), fc.constant(0), fc.constant(exampleKey));

const controlFrames: fc.Arbitrary<SentFrame> = fc.record({
  opcode: fc.constantFrom<Opcode>(9, 10),
  fin: fc.constant(true),
  rsv1: fc.constant(false),
  payload: fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ minLength: 120, maxLength: 125, size: 'max' })),
  key: keys,
});

const messages: fc.Arbitrary<SentFrame[]> = fc
  .record({
    opcode: fc.constantFrom<Opcode>(1, 2),
    parts: fc.array(fc.record({ payload: payloads, key: keys, controls: fc.array(controlFrames, { maxLength: 2 }) }), {
      minLength: 1,
      maxLength: 4,
    }),
  })
  .map(({ opcode, parts }) =>
    parts.flatMap(({ payload, key, controls }, i): SentFrame[] => [
      { opcode: i === 0 ? opcode : 0, fin: i === parts.length - 1, rsv1: false, payload, key },
      ...controls,
    ]),
  );

/** Valid sequences of frames (§5.4): messages in fragments, control frames anywhere. */
export const frameSequences: fc.Arbitrary<SentFrame[]> = fc
  .array(
    fc.oneof({ weight: 3, arbitrary: messages }, { weight: 1, arbitrary: controlFrames.map((frame) => [frame]) }),
    {
      maxLength: 6,
    },
  )
  .map((list) => list.flat());

/** Valid or nearly valid frames: each field is valid most of the time. */
export function nearlyFrames(receiver: 'client' | 'server'): fc.Arbitrary<Buffer> {
  const masked = receiver === 'server';
  const broken = fc
    .record({
      first: fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom(0x81, 0x82, 0x01, 0x02, 0x80, 0x00, 0x89, 0x8a, 0x88) },
        { weight: 1, arbitrary: fc.nat(255) },
      ),
      masked: fc.oneof({ weight: 15, arbitrary: fc.constant(masked) }, { weight: 1, arbitrary: fc.constant(!masked) }),
      payload: payloads,
      key: keys,
      form: fc.option(fc.constantFrom<LengthForm>(16, 64), { nil: undefined, freq: 6 }),
      promised: fc.option(
        fc.oneof(
          fc.bigInt({ min: 0n, max: 300n }),
          fc.constantFrom(
            0x7fff_ffffn,
            0x8000_0000n,
            2n ** 53n - 1n,
            2n ** 53n,
            2n ** 63n - 1n,
            2n ** 63n,
            2n ** 64n - 1n,
          ),
        ),
        { nil: undefined, freq: 12 },
      ),
      missing: fc.oneof({ weight: 15, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) }),
    })
    .map(({ first, masked, payload, key, form, promised, missing }) => {
      const frame =
        promised === undefined
          ? naiveFrame(first, payload, masked ? key : null, form)
          : Buffer.concat([naiveHeader(first, promised, masked ? key : null, promised > 125n ? 64 : form), payload]);
      return frame.subarray(0, frame.length - missing);
    });
  const sound = frameSequences.map((frames) => Buffer.concat(frames.map((frame) => sentOctets(frame, receiver))));
  return fc
    .array(fc.oneof({ weight: 2, arbitrary: broken }, { weight: 1, arbitrary: sound }), { maxLength: 8 })
    .map((list) => Buffer.concat(list));
}
