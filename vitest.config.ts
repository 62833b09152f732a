import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/fixed-seed.ts'],
    // They need installations of their own: npm run test:ecosystem, npm run test:environments.
    exclude: ['test/ecosystem/**', 'test/environments/**', '**/node_modules/**'],
    // The default leaves one processor idle: of two, half.
    maxWorkers: '100%',
    // Only a test that hangs reaches these limits, also on a machine that is busy with other things.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { interval: 10, timeout: 240_000 } },
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text', 'html', 'json-summary'],
    },
  },
});
