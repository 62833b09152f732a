/** A job that waits for one of the process's zlib slots. */
export interface ZlibJob {
  /** Maximum number of jobs that run at once, this one included, for this one to begin; positive. */
  readonly concurrencyLimit: number;
  /** The job behind this one in the queue. Only this file reads and writes it. */
  nextJob: ZlibJob | null;
  /**
   * Called when a slot is free, possibly inside {@link requestZlibSlot}. Returns true if the job takes the slot and will call
   * {@link releaseZlibSlot}.
   */
  begin(): boolean;
}

/** Default maximum number of zlib jobs that run at once in this process; as in `ws`. */
export const defaultConcurrencyLimit = 10;

// As in `ws`, the slots are those of the process, because zlib takes the threads and the memory of the process. The queue is a linked
// list, because thousands of jobs may wait.
let running = 0;
let first: ZlibJob | null = null;
let last: ZlibJob | null = null;

/**
 * Queues a job for a slot. Jobs begin in the order of their requests, also if a later one has a larger limit. A job may be in the queue
 * once at a time.
 */
export function requestZlibSlot(job: ZlibJob): void {
  if (last === null) first = job;
  else last.nextJob = job;
  last = job;
  beginJobs();
}

/** Gives back a slot that a job has taken, and begins the jobs that wait for one. */
export function releaseZlibSlot(): void {
  running--;
  beginJobs();
}

function beginJobs(): void {
  while (first !== null && running < first.concurrencyLimit) {
    const job = first;
    first = job.nextJob;
    if (first === null) last = null;
    job.nextJob = null;
    running++;
    if (!job.begin()) running--;
  }
}
