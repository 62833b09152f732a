/** Split of outgoing octets: none, between frames, or after a fixed number of octets. */
export type Chop = 'whole' | 'frames' | number;

/** Yields the pieces in which encoded frames are written. */
export function* chop(frames: readonly Buffer[], how: Chop): Generator<Buffer> {
  if (how === 'frames') {
    yield* frames;
    return;
  }
  const octets = frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames);
  if (how === 'whole') yield octets;
  else for (let offset = 0; offset < octets.length; offset += how) yield octets.subarray(offset, offset + how);
}
