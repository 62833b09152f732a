// Run by scripts/test-ecosystem.js in a copy of this folder, which contains the packages that the tests import.
export default {
  // Resolved as by Node, so that a test and a package share a third package that both import.
  resolve: { mainFields: ['main'], conditions: ['node'], extensions: ['.js', '.json', '.node'] },
  test: {
    include: ['*.test.ts'],
    // Only a hanging test reaches these limits, even on a busy machine.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
};
