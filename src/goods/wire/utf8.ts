/** UTF-8 as a platform without `TextEncoder` and `TextDecoder` has it: Jest with jsdom, and some versions of React Native. */
const byPercent = {
  encode(text: string): Uint8Array {
    const bytes: number[] = [];
    const escaped = encodeURIComponent(text);
    for (let at = 0; at < escaped.length; at++) {
      if (escaped[at] === '%') {
        bytes.push(Number.parseInt(escaped.slice(at + 1, at + 3), 16));
        at += 2;
      } else {
        bytes.push(escaped.charCodeAt(at));
      }
    }
    return Uint8Array.from(bytes);
  },
  decode(bytes: Uint8Array): string {
    return decodeURIComponent(Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''));
  },
};

/** Encodes text without lone surrogates as UTF-8. */
export const encoder: { encode(text: string): Uint8Array } =
  globalThis.TextEncoder === undefined ? byPercent : new TextEncoder();

/** Decodes UTF-8. Throws an Error if the bytes are not UTF-8. A byte order mark is kept. */
export const decoder: { decode(bytes: Uint8Array): string } =
  globalThis.TextDecoder === undefined ? byPercent : new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
