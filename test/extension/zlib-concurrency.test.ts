import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { sliceSize, type ZlibDirection, ZlibTurn } from '../../src/extension/zlib-concurrency.ts';
import { areZlibSlotsFree } from '../support/deflating.ts';

const unlimited = Number.POSITIVE_INFINITY;

/** Names of the jobs in the order in which they got slots. */
let granted: string[] = [];
let jobs: Job[] = [];

/** A job that does what the test says. */
class Job {
  readonly turn: ZlibTurn;
  isRunning = false;
  /** True while it holds memory: from its first slice until it ends or is started anew. */
  hasBegun = false;
  restarts = 0;
  /** Number of other jobs that ran when the last slice of this one started. */
  beside = 0;

  readonly name: string;
  readonly direction: ZlibDirection;
  readonly limit: number;
  octets: number;

  constructor(name: string, direction: ZlibDirection = 'deflate', limit = 1, octets = 0) {
    this.name = name;
    this.direction = direction;
    this.limit = limit;
    this.octets = octets;
    const run = () => {
      this.beside = running().length;
      this.isRunning = true;
      this.hasBegun = true;
      granted.push(name);
    };
    const restart = () => {
      this.hasBegun = false;
      this.restarts++;
    };
    this.turn = new ZlibTurn({ run, restart }, direction, limit);
    jobs.push(this);
    this.turn.request(octets);
  }

  /** Ends a slice, in which the job was found to have so many octets. */
  slice(octets = this.octets): void {
    this.isRunning = false;
    this.octets = octets;
    this.turn.giveWay(octets);
  }

  end(): void {
    this.isRunning = false;
    this.hasBegun = false;
    this.turn.end();
  }
}

afterEach(() => {
  for (const job of jobs) job.end();
  jobs = [];
  granted = [];
  expect(areZlibSlotsFree()).toBe(true);
});

const running = (): Job[] => jobs.filter(({ isRunning }) => isRunning);
const named = (...names: string[]): Job[] => names.map((name) => new Job(name));
/** Lets all jobs run to their end, the running ones in turn. */
function endAll(): void {
  for (let [job] = running(); job !== undefined; [job] = running()) job.end();
}

describe('the slots of zlib', () => {
  test('are given at once up to the limit, and then in the order of the requests', () => {
    const [a, b] = ['a', 'b', 'c', 'd'].map((name) => new Job(name, 'deflate', 2));
    expect(granted).toEqual(['a', 'b']);
    a!.end();
    expect(granted).toEqual(['a', 'b', 'c']);
    b!.end();
    expect(granted).toEqual(['a', 'b', 'c', 'd']);
  });

  test('are not given to a job with a larger limit before one that waits', () => {
    const [a] = named('a', 'b');
    new Job('c', 'deflate', 10);
    expect(granted).toEqual(['a']);
    a!.end();
    expect(granted).toEqual(['a', 'b', 'c']);
  });

  test('count for a limit whatever limit their jobs have', () => {
    const a = new Job('a', 'deflate', 10);
    new Job('b', 'deflate', 10);
    new Job('c', 'deflate', 2);
    expect(granted).toEqual(['a', 'b']);
    a.end();
    expect(granted).toEqual(['a', 'b', 'c']);
  });

  test('are not given to a job that has left the queue, at its beginning, in its middle or at its end', () => {
    const [a, b, , d, , f] = named('a', 'b', 'c', 'd', 'e', 'f');
    for (const job of [d, b, f]) job!.end();
    a!.end();
    endAll();
    expect(granted).toEqual(['a', 'c', 'e']);
  });

  test('are given back once, however often a job ends', () => {
    const [a, b] = named('a', 'b', 'c');
    a!.end();
    a!.end();
    expect(granted).toEqual(['a', 'b']);
    b!.end();
    expect(granted).toEqual(['a', 'b', 'c']);
  });

  test('may be requested while one is given', () => {
    const inner: Job[] = [];
    const run = () => inner.push(new Job('b', 'deflate', 2));
    const turn = new ZlibTurn({ run, restart() {} }, 'deflate', 1);
    turn.request(0);
    expect(granted).toEqual(['b']);
    turn.end();
  });

  test('may be used again by the same turn', () => {
    const [a] = named('a', 'b');
    a!.end();
    a!.turn.request(0);
    expect(granted).toEqual(['a', 'b']);
    jobs[1]!.end();
    expect(granted).toEqual(['a', 'b', 'a']);
  });
});

describe('a job that gives way after a slice', () => {
  test('goes on at once if nobody waits', () => {
    const [a] = named('a');
    a!.slice();
    expect(granted).toEqual(['a', 'a']);
  });

  test('takes turns with the others that have begun', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => new Job(name, 'deflate', 3));
    new Job('d', 'deflate', 3);
    for (const job of [b, a, c]) job!.slice();
    expect(granted.slice(3).join('')).toBe('bac');
    for (const job of [a, b]) job!.end();
    expect(granted.slice(6).join('')).toBe('d');
  });

  test.each([
    ['deflate', 'inflate'],
    ['deflate', 'deflate'],
    ['inflate', 'inflate'],
  ] as const)('lets a short job of direction %s go first if it is a long one of direction %s', (short, long) => {
    const bombs = ['x', 'y', 'z'].map((name) => new Job(name, long, 1, 2 ** 30));
    const job = new Job('short', short);
    bombs[0]!.slice();
    expect(granted).toEqual(['x', 'short']);
    job.end();
    expect(granted.at(-1)).toBe('x');
  });

  test('starts anew later if it has become longer than those beside it and there is no place', () => {
    const bombs = ['x', 'y'].map((name) => new Job(name, 'inflate', 1, sliceSize));
    const [x, y] = bombs;
    x!.slice(2 ** 26);
    expect(granted).toEqual(['x', 'y']);
    expect([x!.restarts, x!.hasBegun]).toEqual([0, true]);
    y!.slice(2 ** 26);
    expect([y!.restarts, y!.hasBegun]).toEqual([1, false]);
    expect(granted).toEqual(['x', 'y', 'x']);
    x!.end();
    expect(granted).toEqual(['x', 'y', 'x', 'y']);
  });

  test('never starts anew if nobody else has begun', () => {
    const [x] = [new Job('x', 'inflate', 1, 0)];
    for (let octets = sliceSize; octets < 2 ** 40; octets *= 2) x!.slice(octets);
    expect(x!.restarts).toBe(0);
  });
});

test('a message to be sent finds a slot at once beside any number of messages to be inflated', () => {
  for (let i = 0; i < 1000; i++) new Job(`bomb ${i}`, 'inflate', 10, 2 ** (i % 30));
  expect(running().length).toBe(3);
  new Job('answer', 'deflate', 10);
  expect(granted.at(-1)).toBe('answer');
});

describe('no job waits for ever', () => {
  /** Gives the first job slices while short jobs of the other kind come all the time. */
  function slicesBetween(long: Job, direction: ZlibDirection): number {
    const flood = () => {
      for (let i = 0; i < 3; i++) new Job('short', direction, 1);
    };
    let most = 0;
    for (let slices = 0, since = 0; slices < 20; since++) {
      flood();
      const [job] = running();
      expect(job).toBeDefined();
      if (job === long) {
        most = Math.max(most, since);
        since = 0;
        slices++;
        long.slice();
      } else job!.end();
      expect(since).toBeLessThan(1000);
    }
    return most;
  }

  test.each([
    ['inflate', 'deflate'],
    ['inflate', 'inflate'],
    ['deflate', 'deflate'],
  ] as const)('a long job of direction %s gets every tenth slice beside a flood of direction %s', (long, flood) => {
    expect(slicesBetween(new Job('long', long, 1, 2 ** 30), flood)).toBeLessThanOrEqual(10);
  });

  test('a job that needs all slots for itself gets them beside a flood of others', () => {
    for (let i = 0; i < 20; i++) new Job('other', 'deflate', 5);
    const alone = new Job('alone', 'inflate', 1, 2 ** 20);
    for (let i = 0; i < 60 && !alone.isRunning; i++) {
      new Job('other', 'deflate', 5);
      running()[0]!.slice();
    }
    expect([alone.isRunning, alone.beside]).toEqual([true, 0]);
  });
});

// ——— The same rules, written down a second time with sorted arrays ———

const classOf = (octets: number): number => [2 ** 16, 2 ** 19, 2 ** 22, 2 ** 25].filter((end) => octets > end).length;

interface Waiting {
  readonly name: string;
  readonly direction: ZlibDirection;
  readonly limit: number;
  octets: number;
  state: 'waiting' | 'begun' | 'running' | 'ended';
  /** Rises with each time at which it was queued. */
  since: number;
}

class Model {
  readonly jobs: Waiting[] = [];
  readonly granted: string[] = [];
  readonly #overtaken = new Map<number, number>();
  #time = 0;

  #lane({ direction, octets }: Waiting): number {
    return (direction === 'inflate' ? 5 : 0) + classOf(octets);
  }

  #slots({ direction, limit }: Waiting): number {
    return direction === 'deflate' ? limit : Math.max(1, Math.min(limit, 4) - 1);
  }

  #held = (lane: number) =>
    this.jobs.filter((job) => this.#lane(job) === lane && /begun|running/.test(job.state)).length;

  /** The job that each lane would grant next. */
  #heads(): Map<number, Waiting> {
    const heads = new Map<number, Waiting>();
    const inflating = this.jobs.filter((job) => job.state === 'running' && job.direction === 'inflate').length;
    for (let lane = 0; lane < 10; lane++) {
      const [head] = this.jobs
        .filter((job) => this.#lane(job) === lane && /begun|waiting/.test(job.state))
        .sort((a, b) => a.state.localeCompare(b.state) || a.since - b.since);
      if (head === undefined) continue;
      if (head.direction === 'inflate' && inflating >= this.#slots(head)) continue;
      if (head.state === 'waiting' && this.#held(lane) >= this.#slots(head)) continue;
      heads.set(lane, head);
    }
    return heads;
  }

  #grant(): void {
    for (;;) {
      const heads = this.#heads();
      const count = (lane: number) => this.#overtaken.get(lane) ?? 0;
      const order = [...heads.keys()].sort((a, b) => {
        const [first, second] = [a, b].map((lane) => (count(lane) >= 8 ? count(lane) : 0));
        return second! - first! || a - b;
      });
      const [lane] = order;
      if (lane === undefined) return;
      const head = heads.get(lane)!;
      if (this.jobs.filter(({ state }) => state === 'running').length >= head.limit) return;
      for (const other of heads.keys()) this.#overtaken.set(other, other === lane ? 0 : count(other) + 1);
      head.state = 'running';
      this.granted.push(head.name);
    }
  }

  request(name: string, direction: ZlibDirection, limit: number, octets: number): void {
    this.jobs.push({ name, direction, limit, octets, state: 'waiting', since: this.#time++ });
    this.#grant();
  }

  slice(job: Waiting, octets: number): void {
    const [old, before] = [this.#lane(job), job.octets];
    job.octets = Math.max(before, octets);
    const lane = this.#lane(job);
    job.state = 'ended';
    const waits = this.jobs.some((other) => other.state === 'waiting' && this.#lane(other) === lane);
    const hasPlace = lane === old || (!waits && this.#held(lane) < this.#slots(job));
    job.state = hasPlace ? 'begun' : 'waiting';
    job.since = this.#time++;
    this.#grant();
  }

  end(job: Waiting): void {
    job.state = 'ended';
    const lane = this.#lane(job);
    const isEmpty = !this.jobs.some((other) => this.#lane(other) === lane && /begun|waiting/.test(other.state));
    if (isEmpty) this.#overtaken.set(lane, 0);
    this.#grant();
  }
}

const octetsOf = fc.nat({ max: 30 }).map((bits) => 2 ** bits + 1);
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constant('request'), fc.constantFrom(1, 2, 5, 10, unlimited), octetsOf, fc.nat()),
  },
  { weight: 5, arbitrary: fc.tuple(fc.constant('slice'), fc.constant(0), octetsOf, fc.nat()) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('end'), fc.constant(0), fc.constant(0), fc.nat()) },
);

test('the queue does what a simple model of it does, within all limits, and ends empty', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const model = new Model();
      // Otherwise jobs of an example that failed would still be here.
      for (const job of jobs) job.end();
      jobs = [];
      granted = [];
      for (const [what, limit, octets, number] of steps) {
        const name = `${jobs.length}`;
        const active = jobs.filter((job, i) => (what === 'slice' ? job.isRunning : model.jobs[i]!.state !== 'ended'));
        const job = active[number % Math.max(1, active.length)];
        const twin = model.jobs[jobs.indexOf(job!)];
        if (what === 'request') {
          const direction = number % 2 === 0 ? 'deflate' : 'inflate';
          model.request(name, direction, limit, octets);
          new Job(name, direction, limit, octets);
        } else if (job !== undefined && twin !== undefined) {
          const most = Math.max(job.octets, octets);
          if (what === 'slice') model.slice(twin, most);
          else model.end(twin);
          if (what === 'slice') job.slice(most);
          else job.end();
        }
        expect(granted).toEqual(model.granted);
        expect(jobs.filter(({ beside, limit }) => beside >= limit)).toEqual([]);
        expect(running().filter(({ direction }) => direction === 'inflate').length).toBeLessThanOrEqual(3);
        expect(
          jobs.filter(({ hasBegun, direction }) => hasBegun && direction === 'inflate').length,
        ).toBeLessThanOrEqual(15);
      }
      for (const job of jobs) job.end();
      expect(areZlibSlotsFree()).toBe(true);
    }),
  );
});
