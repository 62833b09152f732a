#!/usr/bin/env node
import { runCommand } from './run-command.ts';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // The first signal ends the run; a second one ends the process as usual.
  process.once(signal, () => stop.abort());
}
// The reader of our output may have closed the pipe.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 2));
}

const isWatched = process.stderr.isTTY && process.env.CI === undefined;
process.exitCode = await runCommand(
  process.argv.slice(2),
  {
    out: (text) => process.stdout.write(text),
    error: (text) => process.stderr.write(text),
    columns: isWatched ? process.stderr.columns : null,
  },
  stop.signal,
);
