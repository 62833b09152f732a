/** Default maximum length of a name of goods, in bytes of UTF-8. */
export const defaultMaxNameLength = 255;

/** Maximum number of segments of a name or a pattern. The cost of finding the patterns that match a name grows with it. */
export const maxSegments = 32;

/** Returns the length of a text in bytes of UTF-8. A lone surrogate counts three. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 ? 1 : 2;
    // A pair has four bytes: two were counted as its length, and two just now.
    if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) i++;
  }
  return bytes;
}

const controlOrSurrogate = /[\p{Cc}\p{Cs}]/u;

/**
 * Returns true if a value is a pattern: a string of 1 to {@link maxSegments} segments separated by `/`, none of them empty, without control
 * characters or lone surrogates. A segment `*` matches any one segment, `**` any number of segments, also none. No other segment contains a
 * star. Every name is a pattern.
 * @param maxLength Maximum length in bytes of UTF-8. Default 255.
 */
export function isPattern(text: unknown, maxLength: number = defaultMaxNameLength): text is string {
  if (typeof text !== 'string' || text.length === 0 || text.length > maxLength) return false;
  if (utf8Length(text) > maxLength || controlOrSurrogate.test(text)) return false;
  const segments = text.split('/', maxSegments + 1);
  if (segments.length > maxSegments) return false;
  for (const segment of segments) {
    if (segment === '') return false;
    if (segment.includes('*') && segment !== '*' && segment !== '**') return false;
  }
  return true;
}

/**
 * Returns true if a value is a name of goods: a pattern without stars.
 * @param maxLength Maximum length in bytes of UTF-8. Default 255.
 */
export function isGoodsName(text: unknown, maxLength?: number): text is string {
  return isPattern(text, maxLength) && !text.includes('*');
}

/** Returns true if a pattern has stars, and so may match many names. */
export function hasStars(pattern: string): boolean {
  return pattern.includes('*');
}

/** Returns true if a pattern matches a name. Both must be valid. The time is at most the product of their numbers of segments. */
export function matches(pattern: string, name: string): boolean {
  if (!hasStars(pattern)) return pattern === name;
  return matchesSegments(pattern.split('/'), name.split('/'));
}

/** Returns the result of {@link matches}, given the segments of both. */
export function matchesSegments(wanted: readonly string[], segments: readonly string[]): boolean {
  if (!wanted.includes('**')) {
    return wanted.length === segments.length && wanted.every((want, at) => want === '*' || want === segments[at]);
  }
  // The set of positions in the name that the segments so far can reach. A search that goes back would be exponential for `**/**/**`.
  let reached = new Uint8Array(segments.length + 1);
  reached[0] = 1;
  for (const want of wanted) {
    const next = new Uint8Array(segments.length + 1);
    if (want === '**') {
      let any = 0;
      for (let at = 0; at <= segments.length; at++) {
        any |= reached[at]!;
        next[at] = any;
      }
    } else {
      for (let at = 0; at < segments.length; at++) {
        if (reached[at] === 1 && (want === '*' || want === segments[at])) next[at + 1] = 1;
      }
    }
    reached = next;
  }
  return reached[segments.length] === 1;
}
