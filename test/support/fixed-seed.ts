import fc from 'fast-check';

// Loaded before each test file. Properties use the same examples in every run, so that chance cannot fail an unrelated
// change. To try new examples, set GOODWIRE_SEED=random, or a number to repeat a run.

const wanted = process.env.GOODWIRE_SEED ?? '20261130';

if (wanted !== 'random') {
  const seed = Number(wanted);
  if (!Number.isInteger(seed)) throw new Error(`GOODWIRE_SEED is an integer or "random", not ${wanted}`);
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
}
