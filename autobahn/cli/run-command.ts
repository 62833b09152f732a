import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { printable } from '../checker/format-table.ts';
import { conformance } from './conformance.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';

const help = `Usage: goodwire <command> [options]

Commands:
  conformance   runs Autobahn's cases against a WebSocket server, or against clients

Options:
  --version     print the version
  --help        print this; behind a command, what that takes
`;

type Command = (args: readonly string[], terminal: Terminal, stop: AbortSignal) => Promise<number>;

const commands: ReadonlyMap<string, Command> = new Map([['conformance', conformance]]);

/** The version of the package that this file is in. */
function version(): string {
  for (let directory = import.meta.dirname; ; directory = dirname(directory)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
      if (name === 'goodwire') return version;
    } catch {
      // None here; further up there is one, or we are at the root.
    }
    if (directory === dirname(directory)) return 'unknown';
  }
}

/** Runs `goodwire` with the arguments behind its name, and returns its exit code: 2 for what cannot be understood or done. */
export async function runCommand(args: readonly string[], terminal: Terminal, stop: AbortSignal): Promise<number> {
  const [name, ...rest] = args;
  if (name === '--version' || name === '-v') {
    terminal.out(`${version()}\n`);
    return 0;
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    terminal.out(help);
    return 0;
  }
  const command = name === undefined ? undefined : commands.get(name);
  if (command === undefined) {
    const what = name === undefined ? 'a command is missing' : `there is no command ${JSON.stringify(name)}`;
    terminal.error(`goodwire: ${what}\n\n${help}`);
    return 2;
  }
  try {
    return await command(rest, terminal, stop);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    // What a peer said may be part of it.
    terminal.error(`goodwire ${name}: ${printable(error.message, 500)}\nTry: goodwire ${name} --help\n`);
    return 2;
  }
}
