import { FrameCollector, FrameDecoder } from '../../src/frame/frame-decoder.ts';
import { encodeFrame } from '../../src/frame/frame-encoder.ts';
import { ProtocolError } from '../../src/frame/protocol-error.ts';
import { type Case, choose, chunksOf, demand, type Target } from '../case.ts';
import { mutateFrames } from '../mutations/frames.ts';
import { mutateCut } from '../mutations/octets.ts';
import { type Rules, readFrames } from '../naive/frames.ts';
import type { Random } from '../random.ts';
import { frameSeeds, roleOf } from './frame-seeds.ts';

/** Returns the rules for a config. */
export function rulesOf(config: number): Rules {
  return {
    role: roleOf(config),
    maxPayload: choose(config, 1, [0, 100, 1000, 70_000]),
    maxFragments: choose(config, 3, [0, 1, 3, 0]),
    allowRsv1: choose(config, 5, [false, true]),
  };
}

/** Mutates the frames, and often the split and the settings. */
export function mutateCase(random: Random, given: Case, other: Case): Case {
  const octets = mutateFrames(random, given.octets, other.octets);
  return {
    octets,
    cut: random.oneIn(3) ? given.cut : mutateCut(random, octets.length),
    config: random.oneIn(4) ? (given.config & 1) | (random.below(64) << 1) : given.config,
  };
}

export const frame: Target = {
  name: 'frame',
  title: 'FrameDecoder applies the rules of §5 in chunks of any size, and encodeFrame reproduces the octets',

  seeds: () => frameSeeds(6),

  mutate: mutateCase,

  run(given) {
    const rules = rulesOf(given.config);
    const expected = readFrames(given.octets, rules);
    const decoder = new FrameDecoder(rules);
    const collector = new FrameCollector();
    let error: string | null = null;
    try {
      for (const chunk of chunksOf(given)) {
        const end = decoder.decode(chunk, 0, collector);
        demand(end === chunk.length, 'a decoder without a stop consumes the whole chunk', [end, chunk.length]);
      }
    } catch (thrown) {
      if (!(thrown instanceof ProtocolError)) throw thrown;
      error = thrown.code;
    }
    demand(error === expected.error, 'the first broken rule is reported', [error, expected.error]);
    const { frames } = collector;
    demand(frames.length === expected.frames.length, 'all complete frames are decoded', [
      frames.length,
      expected.frames.length,
    ]);
    expected.frames.forEach((wire, i) => {
      const { opcode, fin, rsv1, payload } = frames[i]!;
      const first = opcode | (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0);
      demand(first === wire.first, 'a frame has the first octet of the wire', [first, wire.first]);
      demand(wire.payload.equals(payload), 'a payload is unmasked correctly');
      const again = encodeFrame(opcode, payload, { fin, rsv1, ...(wire.isMasked && { key: wire.key }) });
      const shortest = wire.payload.length < 126 ? 7 : wire.payload.length < 65_536 ? 16 : 64;
      if (wire.form !== shortest) demand(again.length < wire.end - wire.start, 'encoders use the shortest length');
      else
        demand(
          again.equals(given.octets.subarray(wire.start, wire.end)),
          'encoding gives the octets of the wire',
          again,
        );
    });
    return `${error} ${Math.min(frames.length, 8)} ${expected.begun === null}`;
  },
};
