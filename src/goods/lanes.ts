import type { Lane } from './ware.ts';

/** The lanes that a booking leads to, by the name of the goods: mostly one, for which a map would take more memory than all the rest. */
export class Lanes {
  #lane: Lane | null = null;
  #more: Map<string, Lane> | null = null;

  get(name: string): Lane | undefined {
    if (this.#lane?.ware.name === name) return this.#lane;
    return this.#more?.get(name);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** Puts in a lane, in the place of another one of the same goods. */
  set(name: string, lane: Lane): void {
    if (this.#lane === null || this.#lane.ware.name === name) {
      if (this.#lane === null) this.#more?.delete(name);
      this.#lane = lane;
      return;
    }
    this.#more ??= new Map();
    this.#more.set(name, lane);
  }

  delete(name: string): void {
    if (this.#lane?.ware.name === name) this.#lane = null;
    else this.#more?.delete(name);
    if (this.#more?.size === 0) this.#more = null;
  }

  *values(): IterableIterator<Lane> {
    if (this.#lane !== null) yield this.#lane;
    if (this.#more !== null) yield* this.#more.values();
  }
}
