/** Returns the octets of all chunks, in order, in memory of their own: not from a pool, and never used again. */
export function joinChunks(chunks: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  // Zeroed. Otherwise a chunk shorter than its `length` would show what the memory held before.
  const joined = Buffer.alloc(length);
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  return joined;
}
