/** Returns the octets of all chunks, in order, in separate memory: not from a pool, and never reused. */
export function joinChunks(chunks: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  // Zeroed. Otherwise a chunk shorter than its `length` would expose previous contents of the memory.
  const joined = Buffer.alloc(length);
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  return joined;
}
