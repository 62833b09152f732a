import type { Case } from '../case.ts';
import { soundFrame, writeWire } from '../naive/frames.ts';
import { readRecordings } from '../recordings.ts';

/** Receivers by bit 0 of the config. */
const receivers = [
  { bit: 0, from: 'client', key: 0x3d21fa37 },
  { bit: 1, from: 'server', key: null },
] as const;

/** Returns streams of frames: recorded ones, and some that no endpoint sends. Bit 0 of a config is the receiver. */
export function frameSeeds(configs: number): Case[] {
  const cases: Case[] = [];
  for (const { bit, from, key } of receivers) {
    const frames = (...list: [first: number, payload: string][]) =>
      Buffer.concat(list.map(([first, payload]) => writeWire(soundFrame(first, Buffer.from(payload), key))));
    const streams = [
      ...readRecordings().map((recording) => Buffer.from(recording[from], 'hex')),
      frames([0x01, 'Hel'], [0x89, 'ping'], [0x00, ''], [0x80, 'lo'], [0x8a, 'pong']),
      frames([0x02, ''], [0x00, 'a'], [0x00, ''], [0x80, 'b'], [0x88, '\x03\xe8']),
      frames([0x81, 'κόσμε'], [0x01, 'κό'], [0x80, 'σμε'], [0x82, 'x'.repeat(300)]),
    ];
    for (const octets of streams) {
      for (let other = 0; other < configs; other++) cases.push({ octets, cut: [], config: bit | (other << 1) });
    }
  }
  return cases;
}

/** Returns the role of the receiver for a config. */
export const roleOf = (config: number): 'client' | 'server' => ((config & 1) === 0 ? 'server' : 'client');
