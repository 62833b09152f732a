import { isPromise } from './maybe-promise.ts';

/** A validator of any library that keeps to Standard Schema (standardschema.dev), version 1. */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

/** What a {@link StandardSchema} says of a value. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[] };

/** Looks at a value from outside: a function that returns it, or what is to be used in its place, or throws; or a Standard Schema. */
export type Validator<T> = ((value: unknown) => T | Promise<T>) | StandardSchema<T>;

/**
 * The value, as the validator returns it; a promise only if the validator gives one.
 * @throws what a function throws; Error with what a schema finds wrong.
 */
export function validate<T>(validator: Validator<T>, value: unknown): T | Promise<T> {
  // A schema may be a function that has the property: ArkType's are.
  if (!('~standard' in validator)) return validator(value);
  const result = validator['~standard'].validate(value);
  return isPromise(result) ? result.then(accepted) : accepted(result);
}

function accepted<T>(result: StandardResult<T>): T {
  if (result.issues === undefined) return result.value;
  throw new Error(result.issues.map(({ message }) => message).join('; '));
}
