import type { Coding, EncodedMessage } from './encoded-message.ts';

/** Whoever gets messages from an {@link Outbox}. */
export interface Recipient<Topic> {
  readonly coding: Coding;
  /** Where it stands in the batches that are being flushed. For the outbox alone. */
  mark: BatchSequence<Topic> | null;
  /** Takes all that this flush has for it. May fill the outbox again; what it throws must not be. */
  deliver(sequence: BatchSequence<Topic>): void;
}

/** Messages that follow one another and go to the same recipients. */
export interface Batch<Topic> {
  readonly audience: readonly Recipient<Topic>[];
  /** What they are about; null for messages that must arrive whatever happens. */
  readonly topic: Topic | null;
  readonly messages: Message[];
}

/** A message, and which offsets of its topic it covers. */
export interface Message {
  readonly encoded: EncodedMessage;
  readonly from: number;
  readonly to: number;
}

/** Frames are joined to pieces of at most so many octets; a longer one stays as it is, and is shared by all. */
const joinedUpTo = 65_536;

/**
 * The batches of one flush that an recipient gets, in order. All recipients that get the same ones share it, and its octets: sequences are a tree, in
 * which a batch leads from one to the next.
 */
export class BatchSequence<Topic> {
  readonly coding: Coding;
  readonly batch: Batch<Topic> | null;
  readonly before: BatchSequence<Topic> | null;
  #following: BatchSequence<Topic> | null = null;
  #octets: readonly Uint8Array[] | null = null;

  constructor(coding: Coding, before: BatchSequence<Topic> | null = null, batch: Batch<Topic> | null = null) {
    this.coding = coding;
    this.before = before;
    this.batch = batch;
  }

  /** This one and a batch. */
  and(batch: Batch<Topic>): BatchSequence<Topic> {
    // Batches are gone through one after the other, so the latest is the only one that is asked for again.
    if (this.#following?.batch !== batch) this.#following = new BatchSequence(this.coding, this, batch);
    return this.#following!;
  }

  /** Its batches in order. */
  get batches(): Batch<Topic>[] {
    const list: Batch<Topic>[] = [];
    for (let at: BatchSequence<Topic> | null = this; at !== null; at = at.before)
      if (at.batch !== null) list.push(at.batch);
    return list.reverse();
  }

  /** All of its frames, joined; made once. */
  get octets(): readonly Uint8Array[] {
    this.#octets ??= join(
      this.batches.flatMap(({ messages }) => messages.map(({ encoded }) => this.coding.frame(encoded))),
    );
    return this.#octets;
  }
}

/** Frames in as few pieces as is sensible. */
export function join(frames: readonly Uint8Array[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let from = 0;
  let octets = 0;
  const close = (to: number) => {
    if (to - from === 1) pieces.push(frames[from]!);
    else if (to > from) pieces.push(Buffer.concat(frames.slice(from, to), octets));
    from = to;
    octets = 0;
  };
  for (let i = 0; i < frames.length; i++) {
    const { length } = frames[i]!;
    if (octets + length > joinedUpTo) close(i);
    octets += length;
  }
  close(frames.length);
  return pieces;
}

/**
 * Collects messages for many, and hands each recipient all of its own at once, in the order in which they were put in. Outlets that get the same
 * share the octets (docs/performance.md).
 */
export class Outbox<Topic> {
  readonly #schedule: (flush: () => void) => void;
  #batches: Batch<Topic>[] = [];
  #isFlushing = false;
  #onEmpty: (() => void)[] = [];

  /** @param schedule Calls back once, later: when what is put in meanwhile shall leave together. */
  constructor(schedule: (flush: () => void) => void) {
    this.#schedule = schedule;
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  /** Calls back once all that waits was handed out: at once, if nothing does. What the callback throws must not be. */
  whenEmpty(callback: () => void): void {
    if (this.isEmpty && !this.#isFlushing) callback();
    else this.#onEmpty.push(callback);
  }

  /** Puts in a message. An audience is not to be changed once it was given. */
  push(audience: readonly Recipient<Topic>[], topic: Topic | null, encoded: EncodedMessage, from = 0, to = from): void {
    if (audience.length === 0) return;
    const last = this.#batches.at(-1);
    if (last !== undefined && last.audience === audience && last.topic === topic) {
      last.messages.push({ encoded, from, to });
      return;
    }
    this.#batches.push({ audience, topic, messages: [{ encoded, from, to }] });
    if (this.#batches.length === 1) this.#schedule(() => this.flush());
  }

  /** The latest message, if it went to the same, so that it may be put otherwise. */
  latest(audience: readonly Recipient<Topic>[], topic: Topic): Message | undefined {
    const last = this.#batches.at(-1);
    return last !== undefined && last.audience === audience && last.topic === topic ? last.messages.at(-1) : undefined;
  }

  /** Puts another message in the place of the {@link latest} one. */
  replaceLatest(encoded: EncodedMessage, from: number, to: number): void {
    const { messages } = this.#batches.at(-1)!;
    messages[messages.length - 1] = { encoded, from, to };
  }

  /** Hands out all that is there. Inside of a delivery it does nothing: what is put in there leaves with the next flush. */
  flush(): void {
    if (this.#isFlushing) return;
    const batches = this.#batches;
    if (batches.length === 0) return;
    this.#batches = [];
    this.#isFlushing = true;
    try {
      for (const { recipient, sequence } of sequences(batches)) recipient.deliver(sequence);
    } finally {
      this.#isFlushing = false;
    }
    if (this.isEmpty) for (const callback of this.#onEmpty.splice(0)) callback();
  }
}

function sequences<Topic>(batches: readonly Batch<Topic>[]) {
  const roots = new Map<Coding, BatchSequence<Topic>>();
  const recipients: Recipient<Topic>[] = [];
  for (const batch of batches) {
    for (const recipient of batch.audience) {
      if (recipient.mark === null) {
        recipients.push(recipient);
        let root = roots.get(recipient.coding);
        if (root === undefined) {
          root = new BatchSequence(recipient.coding);
          roots.set(recipient.coding, root);
        }
        recipient.mark = root;
      }
      recipient.mark = recipient.mark.and(batch);
    }
  }
  return recipients.map((recipient) => {
    const sequence = recipient.mark!;
    recipient.mark = null;
    return { recipient, sequence };
  });
}
