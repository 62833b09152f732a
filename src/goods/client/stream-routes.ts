import type { StreamCursor } from './stream-cursor.ts';

/** Finds the cursors that the frames of a stream go to. */
export class StreamRoutes {
  readonly #cursors = new Map<string, Set<StreamCursor>>();

  add(cursor: StreamCursor): void {
    const key = keyOf(cursor.goods, cursor.variant);
    const cursors = this.#cursors.get(key) ?? new Set();
    this.#cursors.set(key, cursors.add(cursor));
  }

  delete(cursor: StreamCursor): void {
    const key = keyOf(cursor.goods, cursor.variant);
    const cursors = this.#cursors.get(key);
    cursors?.delete(cursor);
    if (cursors?.size === 0) this.#cursors.delete(key);
  }

  /** Returns a copy of the list, which callbacks cannot change. */
  cursorsFor(goods: string, variant = ''): StreamCursor[] {
    return [...(this.#cursors.get(keyOf(goods, variant)) ?? [])];
  }

  clear(): void {
    this.#cursors.clear();
  }
}

/** Identifies goods in a variant. The length distinguishes pairs such as "a" + "bc" and "ab" + "c". */
function keyOf(goods: string, variant: string): string {
  return `${variant.length} ${variant}${goods}`;
}
