// Each project is an environment of Jest. With fake timers from the start, the library is loaded when they are there already.
const node = { customExportConditions: ['node', 'node-addons', 'require', 'default'] };
const always = { enableGlobally: true };
const project = (displayName, options) => ({
  displayName,
  rootDir: __dirname,
  transform: {},
  testMatch: [`${__dirname}/*.jest.cjs`],
  ...options,
});

module.exports = {
  projects: [
    project('node', { testEnvironment: 'node' }),
    project('node, fake timers', { testEnvironment: 'node', fakeTimers: always }),
    project('jsdom', { testEnvironment: 'jsdom', testEnvironmentOptions: node }),
    project('jsdom, fake timers', { testEnvironment: 'jsdom', testEnvironmentOptions: node, fakeTimers: always }),
    project('jsdom as a browser', { testEnvironment: 'jsdom', testMatch: [`${__dirname}/browser.cjs`] }),
  ],
};
