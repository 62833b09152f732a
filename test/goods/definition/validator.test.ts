import { describe, expect, test } from 'vitest';
import { type StandardResult, type StandardSchema, validate } from '../../../src/goods/definition/validator.ts';

type Answer = StandardResult<unknown> | Promise<StandardResult<unknown>>;

const schema = (answer: (value: unknown) => Answer): StandardSchema => ({
  '~standard': { version: 1, vendor: 'test', validate: answer },
});

const issues = (...messages: string[]) => ({ issues: messages.map((message) => ({ message })) });

describe('a function', () => {
  test('returns the value to use, at once', () => {
    expect(validate((value) => Number(value) + 1, '1')).toBe(2);
  });

  test('may return a promise', async () => {
    expect(await validate(async (value) => `${String(value)}!`, 'a')).toBe('a!');
  });

  test('refuses by throwing, and the error is thrown as it is', () => {
    const error = new RangeError('no');
    const refuse = () => {
      throw error;
    };
    expect(() => validate(refuse, 1)).toThrow(error);
  });
});

describe('a Standard Schema', () => {
  test('gives the value of its result, at once', () => {
    expect(
      validate(
        schema((value) => ({ value: [value] })),
        1,
      ),
    ).toEqual([1]);
  });

  test('may give the value undefined', () => {
    expect(
      validate(
        schema(() => ({ value: undefined })),
        1,
      ),
    ).toBeUndefined();
  });

  test('refuses with all its issues in one error', () => {
    expect(() =>
      validate(
        schema(() => issues('too long', 'no digit')),
        'x',
      ),
    ).toThrow('too long; no digit');
  });

  test('may answer later, with a value or with issues', async () => {
    expect(
      await validate(
        schema(async (value) => ({ value })),
        5,
      ),
    ).toBe(5);
    await expect(
      validate(
        schema(async () => issues('late')),
        5,
      ),
    ).rejects.toThrow('late');
  });

  test('may be a function, as those of ArkType are: its property decides, and it is not called', () => {
    const callable = Object.assign(
      () => {
        throw new Error('called');
      },
      schema(() => ({ value: 'by the schema' })),
    );
    expect(validate(callable, 1)).toBe('by the schema');
  });
});
