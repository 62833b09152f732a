/** Job that waits for one of the process's zlib slots. */
export interface ZlibJob {
  /** Maximum number of running jobs, including this one, when this job starts. Positive. */
  readonly concurrencyLimit: number;
  /** Next job in the queue. Only this file uses the field. */
  nextJob: ZlibJob | null;
  /**
   * Called when a slot is free, possibly during {@link requestZlibSlot}. Returns true if the job takes the slot; it must
   * then call {@link releaseZlibSlot}.
   */
  begin(): boolean;
}

/** Default maximum number of running zlib jobs in this process, as in `ws`. */
export const defaultConcurrencyLimit = 10;

// The limit applies to the process, as in `ws`, because zlib uses the process's threads and memory. The queue is a
// linked list, because thousands of jobs may wait.
let running = 0;
let first: ZlibJob | null = null;
let last: ZlibJob | null = null;

/**
 * Queues a job for a slot. Jobs start in the order of their requests, even if a later one has a larger limit. A job must
 * not be queued twice at once.
 */
export function requestZlibSlot(job: ZlibJob): void {
  if (last === null) first = job;
  else last.nextJob = job;
  last = job;
  beginJobs();
}

/** Frees the slot of a finished job, and starts waiting jobs. */
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
