import type { Coding, EncodedMessage } from './encoded-message.ts';

/** Gets messages from an {@link Outbox}. */
export interface Recipient<Topic> {
  readonly coding: Coding;
  /** Position in the batches that are being flushed. For the outbox only. */
  mark: BatchSequence<Topic> | null;
  /** Takes everything that this flush has for the recipient. May put messages into the outbox. Must not throw. */
  deliver(sequence: BatchSequence<Topic>): void;
}

/** Consecutive messages to the same recipients. */
export interface Batch<Topic> {
  readonly audience: readonly Recipient<Topic>[];
  /** Topic of the messages; null for messages that are delivered whatever happens, such as replies. */
  readonly topic: Topic | null;
  readonly messages: Message[];
}

/** A message, and the range of offsets of its topic that it covers. */
export interface Message {
  readonly encoded: EncodedMessage;
  readonly from: number;
  readonly to: number;
}

/** Maximum size in bytes to which frames are joined. A longer frame stays as it is, and all recipients share it. */
const maxJoinedSize = 65_536;

/**
 * The ordered batches of one flush. Recipients of the same batches share one object, so their bytes are joined once. Stored as a tree: a node
 * is its parent plus one batch.
 */
export class BatchSequence<Topic> {
  readonly coding: Coding;
  readonly batch: Batch<Topic> | null;
  readonly before: BatchSequence<Topic> | null;
  #following: BatchSequence<Topic> | null = null;
  #pieces: readonly Uint8Array[] | null = null;

  constructor(coding: Coding, before: BatchSequence<Topic> | null = null, batch: Batch<Topic> | null = null) {
    this.coding = coding;
    this.before = before;
    this.batch = batch;
  }

  /** Returns this sequence followed by a batch. */
  followedBy(batch: Batch<Topic>): BatchSequence<Topic> {
    // Batches are visited one after the other, so only the latest can be asked for again.
    if (this.#following?.batch !== batch) this.#following = new BatchSequence(this.coding, this, batch);
    return this.#following!;
  }

  /** The batches in order. */
  get batches(): Batch<Topic>[] {
    const list: Batch<Topic>[] = [];
    for (let at: BatchSequence<Topic> | null = this; at !== null; at = at.before) {
      if (at.batch !== null) list.push(at.batch);
    }
    return list.reverse();
  }

  /** All frames, joined. Computed once. */
  get pieces(): readonly Uint8Array[] {
    this.#pieces ??= join(
      this.batches.flatMap(({ messages }) => messages.map(({ encoded }) => this.coding.frame(encoded))),
    );
    return this.#pieces;
  }
}

/** Joins frames to pieces of at most 65 536 bytes. A longer frame is a piece of its own. */
export function join(frames: readonly Uint8Array[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let from = 0;
  let bytes = 0;
  const close = (to: number) => {
    if (to - from === 1) pieces.push(frames[from]!);
    else if (to > from) pieces.push(Buffer.concat(frames.slice(from, to), bytes));
    from = to;
    bytes = 0;
  };
  for (let i = 0; i < frames.length; i++) {
    const { length } = frames[i]!;
    if (bytes + length > maxJoinedSize) close(i);
    bytes += length;
  }
  close(frames.length);
  return pieces;
}

/**
 * Collects messages for many recipients. A flush gives each recipient all of its messages at once, in the order in which they were pushed.
 * Recipients of the same messages share the bytes (docs/performance.md).
 */
export class Outbox<Topic> {
  readonly #schedule: (flush: () => void) => void;
  #batches: Batch<Topic>[] = [];
  #isFlushing = false;
  #onEmpty: (() => void)[] = [];

  /** @param schedule Calls its argument once, later. Everything pushed until then is sent together. */
  constructor(schedule: (flush: () => void) => void) {
    this.#schedule = schedule;
  }

  /** True if no message is queued. */
  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  /** Calls back when all queued messages have been delivered; now, if there are none. The callback must not throw. */
  whenEmpty(callback: () => void): void {
    if (this.isEmpty && !this.#isFlushing) callback();
    else this.#onEmpty.push(callback);
  }

  /** Queues a message. The audience must not be changed afterwards. */
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

  /** Returns the message queued last, if it has this audience and topic. Such a message can be replaced. */
  latest(audience: readonly Recipient<Topic>[], topic: Topic): Message | undefined {
    const last = this.#batches.at(-1);
    return last !== undefined && last.audience === audience && last.topic === topic ? last.messages.at(-1) : undefined;
  }

  /** Replaces the {@link latest} message. */
  replaceLatest(encoded: EncodedMessage, from: number, to: number): void {
    const { messages } = this.#batches.at(-1)!;
    messages[messages.length - 1] = { encoded, from, to };
  }

  /** Delivers all queued messages. During a delivery it does nothing: what is pushed there is sent with the next flush. */
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

/** Returns each recipient of some batches, with the sequence of those that it gets. */
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
      recipient.mark = recipient.mark.followedBy(batch);
    }
  }
  return recipients.map((recipient) => {
    const sequence = recipient.mark!;
    recipient.mark = null;
    return { recipient, sequence };
  });
}
