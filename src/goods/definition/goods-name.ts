/** Octets of UTF-8 that a name of goods may have, unless a market says otherwise. */
export const defaultMaxNameLength = 255;

/** Segments that a name or a pattern may have: what one name may cost, where it is looked up among patterns, grows with them. */
export const maxSegments = 32;

/** Octets of a text in UTF-8; a lone surrogate counts three. */
export function utf8Length(text: string): number {
  let octets = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    octets += unit < 0x800 ? 1 : 2;
    // Both halves of a pair have been counted by their length, and four octets are two more than that.
    if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) i++;
  }
  return octets;
}

const unspeakable = /[\p{Cc}\p{Cs}]/u;

/**
 * Whether a text is a pattern: at most {@link maxSegments} segments apart by `/`, none of them empty, without control characters or
 * lone surrogates. A segment `*` stands for any one segment, `**` for any number of them, also none; a star stands nowhere else. Every
 * name is a pattern.
 * @param longest Octets of UTF-8.
 */
export function isPattern(text: unknown, longest: number = defaultMaxNameLength): text is string {
  if (typeof text !== 'string' || text.length === 0 || text.length > longest) return false;
  if (utf8Length(text) > longest || unspeakable.test(text)) return false;
  const segments = text.split('/', maxSegments + 1);
  if (segments.length > maxSegments) return false;
  for (const segment of segments) {
    if (segment === '') return false;
    if (segment.includes('*') && segment !== '*' && segment !== '**') return false;
  }
  return true;
}

/** Whether a text is the name of goods: a pattern without stars. */
export function isGoodsName(text: unknown, longest?: number): text is string {
  return isPattern(text, longest) && !text.includes('*');
}

/** Whether a pattern has stars, and so may stand for many goods. */
export function hasStars(pattern: string): boolean {
  return pattern.includes('*');
}

/** Whether a pattern matches a name. Both must be valid. Its time is bounded by the product of their numbers of segments. */
export function matches(pattern: string, name: string): boolean {
  if (!hasStars(pattern)) return pattern === name;
  return matchesSegments(pattern.split('/'), name.split('/'));
}

/** As {@link matches}, of both the segments. */
export function matchesSegments(wanted: readonly string[], segments: readonly string[]): boolean {
  if (!wanted.includes('**')) {
    return wanted.length === segments.length && wanted.every((want, at) => want === '*' || want === segments[at]);
  }
  // Which positions of the name can have been reached: a set, not a search that goes back, which `**/**/**` would make exponential.
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
