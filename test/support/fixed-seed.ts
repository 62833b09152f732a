import fc from 'fast-check';

// Loaded before each test file. Properties take the same examples in every run: chance cannot fail a change that has nothing to do with it.
// New examples are looked for on purpose: GOODWIRE_SEED=random, or a number to repeat one.

const wanted = process.env.GOODWIRE_SEED ?? '20261130';

if (wanted !== 'random') {
  const seed = Number(wanted);
  if (!Number.isInteger(seed)) throw new Error(`GOODWIRE_SEED is an integer or "random", not ${wanted}`);
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
}
