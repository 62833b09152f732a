// Run by scripts/test-ecosystem.js in a copy of this folder; that copy has what these tests import.
export default {
  // Packages are found as Node finds them, so that a test and a package that import a third one share it.
  resolve: { mainFields: ['main'], conditions: ['node'], extensions: ['.js', '.json', '.node'] },
  test: {
    include: ['*.test.ts'],
    // Only a test that hangs reaches these limits, also on a machine that is busy with other things.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
};
