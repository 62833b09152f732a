// Run by scripts/test-environments.js in a copy of this folder, which contains the packages that the tests run.
export default {
  test: {
    include: ['*.test.ts'],
    // Only a hanging test reaches these limits, even on a busy machine.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
};
