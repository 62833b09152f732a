/** How octets are cut on their way out: not at all, between frames, or after every so many octets. */
export type Chop = 'whole' | 'frames' | number;

/** The pieces in which encoded frames are written. */
export function* chop(frames: readonly Buffer[], how: Chop): Generator<Buffer> {
  if (how === 'frames') {
    yield* frames;
    return;
  }
  const octets = frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames);
  if (how === 'whole') yield octets;
  else for (let offset = 0; offset < octets.length; offset += how) yield octets.subarray(offset, offset + how);
}
