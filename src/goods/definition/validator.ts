import { isPromise } from './maybe-promise.ts';

/** A validator of any library that implements Standard Schema (standardschema.dev), version 1. */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

/** Result of a {@link StandardSchema}: the value to use, or the issues. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[] };

/** Checks a value of a client: a function that returns the value to use, or throws; or a Standard Schema. */
export type Validator<T> = ((value: unknown) => T | Promise<T>) | StandardSchema<T>;

/**
 * Returns the value as the validator returns it. Returns a promise only if the validator does.
 * @throws What the function throws; Error with the issues of the schema.
 */
export function validate<T>(validator: Validator<T>, value: unknown): T | Promise<T> {
  // Schemas of ArkType are functions with that property.
  if (!('~standard' in validator)) return validator(value);
  const result = validator['~standard'].validate(value);
  return isPromise(result) ? result.then(accepted) : accepted(result);
}

function accepted<T>(result: StandardResult<T>): T {
  if (result.issues === undefined) return result.value;
  throw new Error(result.issues.map(({ message }) => message).join('; '));
}
