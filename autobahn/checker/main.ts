// Checks reports in Autobahn's format, of the testsuite itself or of `goodwire conformance`. Requires a build:
//   node dist/autobahn/checker/main.js index.json…
// Exit code 0 if all 517 cases are present and good, for every agent of every report; otherwise 1.
import { catalogue } from '../cases/catalogue.ts';
import { runChecker } from './run-checker.ts';

process.exitCode = runChecker({
  paths: process.argv.slice(2),
  expectedCases: catalogue.map(({ id }) => id),
  write: console.log,
});
