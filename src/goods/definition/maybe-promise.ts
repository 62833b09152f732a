// Hooks of the application may answer at once or with a promise. What is known at once is used at once: a microtask per request would let
// requests that need no decision overtake each other.

/** Returns true if a value is a promise, or another object with a method `then`. */
export function isPromise<T>(value: T | PromiseLike<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<T>).then === 'function';
}

/** Calls `next` with a value: at once, or when its promise is fulfilled. Returns what `next` returns. */
export function after<T, Result>(
  value: T | PromiseLike<T>,
  next: (value: T) => Result | Promise<Result>,
): Result | Promise<Result> {
  return isPromise(value) ? value.then(next) : next(value as T);
}
