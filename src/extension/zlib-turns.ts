/** What waits for its turn to use zlib. */
export interface TurnWaiter {
  /** How many may be at it, this one included, when its turn comes; positive. */
  readonly concurrencyLimit: number;
  /** The one behind it; only this file touches it. */
  nextWaiter: TurnWaiter | null;
  /** Called when its turn has come, at the earliest while it asks for it. Says whether it takes the turn: then {@link endTurn} is owed. */
  begin(): boolean;
}

/** How many may be under way in this process when one begins; as in `ws`. */
export const defaultConcurrencyLimit = 10;

// As in `ws` the turns are those of the process, whose threads and memory zlib takes. A linked list, as thousands may wait.
let underway = 0;
let first: TurnWaiter | null = null;
let last: TurnWaiter | null = null;

/** Waits for a turn, first come first served: nobody overtakes one that has a smaller limit. A waiter waits once at a time. */
export function waitForTurn(waiter: TurnWaiter): void {
  if (last === null) first = waiter;
  else last.nextWaiter = waiter;
  last = waiter;
  giveTurns();
}

/** Gives a turn back that was taken. */
export function endTurn(): void {
  underway--;
  giveTurns();
}

function giveTurns(): void {
  while (first !== null && underway < first.concurrencyLimit) {
    const waiter = first;
    first = waiter.nextWaiter;
    if (first === null) last = null;
    waiter.nextWaiter = null;
    underway++;
    if (!waiter.begin()) underway--;
  }
}
