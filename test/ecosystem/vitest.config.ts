// Run by scripts/test-ecosystem.js in a copy of this folder; that copy has what these tests import.
export default {
  // Packages are found as Node finds them, so that a test and a package that import a third one share it.
  resolve: { mainFields: ['main'], conditions: ['node'], extensions: ['.js', '.json', '.node'] },
  test: {
    include: ['*.test.ts'],
    testTimeout: 15_000,
    hookTimeout: 15_000,
  },
};
