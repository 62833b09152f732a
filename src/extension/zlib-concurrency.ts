/** Job at zlib. It runs in slices: calls of zlib that make at most {@link sliceSize} octets. */
export interface ZlibJob {
  /**
   * Starts the job, or continues it, because it has got a slot. Possibly called during {@link ZlibTurn.request} and
   * {@link ZlibTurn.giveWay}. The job must then call `giveWay` or `end`.
   */
  run(): void;
  /** Frees what the job has done so far. The next {@link run} starts it anew. */
  restart(): void;
}

/** Directions of compression. Each has its own queues. */
export type ZlibDirection = 'deflate' | 'inflate';

/** Default maximum number of zlib jobs that run at a time in this process, as in `ws`. */
export const defaultConcurrencyLimit = 10;

/** Maximum octets that one call of zlib makes on the thread pool: a few milliseconds. */
export const sliceSize = 65_536;

/** Number of classes of jobs by length. The first class ends at 64 KiB, each further one at eight times as much. */
const classes = 5;
const classBits = 3;
const firstClassBits = 16;

/** Maximum number of slices that queues in front of a queue may get before it, in a row. */
const maxOvertakings = 8;

/** Turns in order. Links are fields of the turns, so that any of thousands leaves at once. */
class TurnList {
  first: ZlibTurn | null = null;
  #last: ZlibTurn | null = null;

  push(turn: ZlibTurn): void {
    turn.list = this;
    turn.before = this.#last;
    if (this.#last === null) this.first = turn;
    else this.#last.behind = turn;
    this.#last = turn;
    queued++;
  }

  remove(turn: ZlibTurn): void {
    if (turn.before === null) this.first = turn.behind;
    else turn.before.behind = turn.behind;
    if (turn.behind === null) this.#last = turn.before;
    else turn.behind.before = turn.before;
    turn.list = null;
    turn.before = null;
    turn.behind = null;
    queued--;
  }
}

/** Queue of the jobs of one direction and one class. */
class Lane {
  readonly direction: ZlibDirection;
  /** Jobs that have not begun. */
  readonly waiting = new TurnList();
  /** Jobs that have given way after a slice. They hold memory of zlib and their output. */
  readonly begun = new TurnList();
  /** Number of jobs that have begun and not ended, running ones included. */
  held = 0;
  /** Number of slices that other lanes have got since this lane could have got one. */
  overtaken = 0;

  constructor(direction: ZlibDirection) {
    this.direction = direction;
  }

  /** Removes a turn that waits no longer. An empty lane is not overtaken. */
  leave(turn: ZlibTurn): void {
    turn.list!.remove(turn);
    if (this.waiting.first === null && this.begun.first === null) this.overtaken = 0;
  }

  /** The turn that this lane would grant next; null if there is none that may run. */
  get next(): ZlibTurn | null {
    const turn = this.begun.first ?? this.waiting.first;
    if (turn === null) return null;
    const slots = slotsFor(this.direction, turn.concurrencyLimit);
    if (this.direction === 'inflate' && inflating >= slots) return null;
    return turn.list === this.begun || this.held < slots ? turn : null;
  }
}

// The slots belong to the process, as in `ws`, because zlib uses the process's threads and memory.
let running = 0;
let inflating = 0;
let queued = 0;

/** All lanes, in the order in which they are served: deflating before inflating, short before long. */
const lanes: readonly Lane[] = (['deflate', 'inflate'] as const).flatMap((direction) =>
  Array.from({ length: classes }, () => new Lane(direction)),
);

function laneFor(direction: ZlibDirection, octets: number): Lane {
  let index = 0;
  while (index < classes - 1 && octets > 2 ** (firstClassBits + classBits * index)) index++;
  return lanes[direction === 'deflate' ? index : classes + index]!;
}

let threads = 0;

/** Returns the number of threads of libuv's pool. */
function poolThreads(): number {
  threads ||= Math.max(1, Number.parseInt(process.env.UV_THREADPOOL_SIZE ?? '4', 10) || 1);
  return threads;
}

/**
 * Returns the maximum number of jobs of a direction that run at a time, and of those of one class that have begun.
 * Inflating leaves a slot and a thread of the pool to others, unless there is only one.
 */
function slotsFor(direction: ZlibDirection, concurrencyLimit: number): number {
  return direction === 'deflate' ? concurrencyLimit : Math.max(1, Math.min(concurrencyLimit, poolThreads()) - 1);
}

/**
 * Place of a job in the queues for the process's zlib slots.
 *
 * A slot is taken for one slice, and passed on behind it. The next slice goes to a message to be compressed if there is
 * one, and otherwise to the shortest class of messages. In a class they take turns. A queue that was overtaken 8 times is
 * next. A connection has one job at a time in each direction, so that turns of jobs are turns of connections.
 *
 * The length of a message to be inflated is not known before. If a job outgrows its class and the next one has no place, it
 * starts anew when there is a place. Otherwise long messages would keep their output in memory while they wait, or keep
 * short ones from being started. As each class is eight times the one before it, less than twice the work is done.
 */
export class ZlibTurn {
  /** Maximum number of running jobs, including this one, when a slice of this job starts. Positive. */
  readonly concurrencyLimit: number;
  readonly #job: ZlibJob;
  readonly #direction: ZlibDirection;
  #lane: Lane | null = null;
  #hasBegun = false;

  /** Links of the list in which the turn waits. Only this file uses them. */
  list: TurnList | null = null;
  before: ZlibTurn | null = null;
  behind: ZlibTurn | null = null;

  constructor(job: ZlibJob, direction: ZlibDirection, concurrencyLimit: number) {
    this.#job = job;
    this.#direction = direction;
    this.concurrencyLimit = concurrencyLimit;
  }

  /** Queues the job. `octets` is its length, or the least that it may be. */
  request(octets: number): void {
    this.#lane = laneFor(this.#direction, octets);
    this.#lane.waiting.push(this);
    grantSlots();
  }

  /** Passes the slot on behind a slice, and queues the job for the next one. `octets` is its length as far as is known. */
  giveWay(octets: number): void {
    this.#grow(laneFor(this.#direction, octets));
    this.#count(-1);
    if (this.#hasBegun) this.#lane!.begun.push(this);
    else {
      this.#job.restart();
      this.#lane!.waiting.push(this);
    }
    grantSlots();
  }

  /** The job has ended or is no longer needed: it leaves its slot, or the queue. */
  end(): void {
    const lane = this.#lane;
    if (lane === null) return;
    this.#lane = null;
    if (this.list === null) this.#count(-1);
    else lane.leave(this);
    if (this.#hasBegun) lane.held--;
    this.#hasBegun = false;
    grantSlots();
  }

  /** Gives the job the slot that {@link grantSlots} has found. */
  take(): void {
    const lane = this.#lane!;
    this.list!.remove(this);
    if (!this.#hasBegun) lane.held++;
    this.#hasBegun = true;
    this.#count(1);
    this.#job.run();
  }

  #grow(lane: Lane): void {
    const old = this.#lane!;
    if (lanes.indexOf(lane) <= lanes.indexOf(old)) return;
    old.held--;
    this.#lane = lane;
    // Otherwise a job that is waiting for a place could be overtaken for ever by jobs that grow.
    this.#hasBegun = lane.waiting.first === null && lane.held < slotsFor(this.#direction, this.concurrencyLimit);
    if (this.#hasBegun) lane.held++;
  }

  #count(change: 1 | -1): void {
    running += change;
    if (this.#direction === 'inflate') inflating += change;
  }
}

function grantSlots(): void {
  for (let lane = nextLane(); lane !== null; lane = nextLane()) {
    const turn = lane.next!;
    // Otherwise jobs with a larger limit would overtake this one for ever.
    if (running >= turn.concurrencyLimit) return;
    for (const other of lanes) if (other !== lane && other.next !== null) other.overtaken++;
    lane.overtaken = 0;
    turn.take();
  }
}

/** Returns the lane that was overtaken too often, or else the first one with a job that may run. */
function nextLane(): Lane | null {
  if (queued === 0) return null;
  let chosen: Lane | null = null;
  let overtaken = maxOvertakings - 1;
  for (const lane of lanes) {
    if (lane.next === null) continue;
    chosen ??= lane;
    if (lane.overtaken <= overtaken) continue;
    chosen = lane;
    overtaken = lane.overtaken;
  }
  return chosen;
}
