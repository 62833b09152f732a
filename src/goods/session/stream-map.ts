import type { GoodsStream } from '../shelf/shelved-goods.ts';

/** Streams by the name of their goods. Most subscriptions have one stream, for which a Map would take more memory than all the rest. */
export class StreamMap {
  #first: GoodsStream | null = null;
  #more: Map<string, GoodsStream> | null = null;

  get(name: string): GoodsStream | undefined {
    if (this.#first?.shelved.name === name) return this.#first;
    return this.#more?.get(name);
  }

  /** Adds a stream. Replaces another stream of the same goods. */
  set(name: string, stream: GoodsStream): void {
    if (this.#first === null || this.#first.shelved.name === name) {
      if (this.#first === null) this.#more?.delete(name);
      this.#first = stream;
      return;
    }
    this.#more ??= new Map();
    this.#more.set(name, stream);
  }

  delete(name: string): void {
    if (this.#first?.shelved.name === name) this.#first = null;
    else this.#more?.delete(name);
    if (this.#more?.size === 0) this.#more = null;
  }

  *values(): IterableIterator<GoodsStream> {
    if (this.#first !== null) yield this.#first;
    if (this.#more !== null) yield* this.#more.values();
  }
}
