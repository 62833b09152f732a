/** Octets that one flush has handed to the stream. */
interface Flush {
  /** All octets, as they are on the wire. */
  readonly octets: number;
  /** Octets of messages in them, as the application has given them: without framing, before compression. */
  readonly payload: number;
}

/**
 * Payload that the stream holds because the kernel does not take it: the flushes in order, of which the stream's last octets are. Only
 * connections whose peer reads slowly have one, and TLS sockets while they write.
 */
export class InFlight {
  #flushes: Flush[] = [];
  /** Number of flushes at the beginning of the list that are with the kernel. shift() would cost more for a longer list. */
  #gone = 0;
  #octets = 0;
  #payload = 0;
  /** Payload that will never be sent. */
  #lost = 0;
  #isFrozen = false;

  /** Adds a flush behind the others. */
  add(octets: number, payload: number): void {
    this.#flushes.push({ octets, payload });
    this.#octets += octets;
    this.#payload += payload;
  }

  /** Adds payload that no stream has taken. It counts for ever (WHATWG WebSockets §3.1). */
  lose(payload: number): void {
    this.#lost += payload;
  }

  /** The stream is about to be destroyed. From now on all that it holds is lost. */
  freeze(held: number): void {
    this.payload(held);
    this.#isFrozen = true;
  }

  /**
   * Returns the payload of the flushes that the stream still holds, even if it holds only a part of the first one. Forgets the flushes
   * before them.
   * @param held Number of octets that the stream holds. Octets that others have written between ours count as ours.
   */
  payload(held: number): number {
    if (!this.#isFrozen) this.#forget(held);
    return this.#payload + this.#lost;
  }

  /** True if there is nothing to count. */
  isEmpty(held: number): boolean {
    return this.payload(held) === 0 && this.#flushes.length === this.#gone;
  }

  #forget(held: number): void {
    const flushes = this.#flushes;
    while (this.#gone < flushes.length && this.#octets - flushes[this.#gone]!.octets >= held) {
      const { octets, payload } = flushes[this.#gone++]!;
      this.#octets -= octets;
      this.#payload -= payload;
    }
    // Only once at least half is gone, so that the copying costs no more than adding did.
    if (this.#gone === 0 || this.#gone * 2 < flushes.length) return;
    this.#flushes = flushes.slice(this.#gone);
    this.#gone = 0;
  }
}
