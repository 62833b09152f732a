import type { GoodsStream } from '../shelf/shelved-goods.ts';

/** The streams that a booking leads to, by the name of the goods: mostly one, for which a map would take more memory than all the rest. */
export class StreamMap {
  #stream: GoodsStream | null = null;
  #more: Map<string, GoodsStream> | null = null;

  get(name: string): GoodsStream | undefined {
    if (this.#stream?.shelved.name === name) return this.#stream;
    return this.#more?.get(name);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** Puts in a stream, in the place of another one of the same goods. */
  set(name: string, stream: GoodsStream): void {
    if (this.#stream === null || this.#stream.shelved.name === name) {
      if (this.#stream === null) this.#more?.delete(name);
      this.#stream = stream;
      return;
    }
    this.#more ??= new Map();
    this.#more.set(name, stream);
  }

  delete(name: string): void {
    if (this.#stream?.shelved.name === name) this.#stream = null;
    else this.#more?.delete(name);
    if (this.#more?.size === 0) this.#more = null;
  }

  *values(): IterableIterator<GoodsStream> {
    if (this.#stream !== null) yield this.#stream;
    if (this.#more !== null) yield* this.#more.values();
  }
}
