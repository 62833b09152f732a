// Checks reports in Autobahn's format, of the testsuite itself or of `goodwire conformance`; needs a build:
//   node dist/autobahn/checker/main.js index.json…
// Exit codes: 0 when all of the 517 cases are there and good, for every agent of every report; else 1.
import { catalogue } from '../cases/catalogue.ts';
import { runChecker } from './run-checker.ts';

process.exitCode = runChecker({
  paths: process.argv.slice(2),
  expectedCases: catalogue.map(({ id }) => id),
  write: console.log,
});
