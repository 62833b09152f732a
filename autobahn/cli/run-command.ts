import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { printable } from '../checker/format-table.ts';
import { conformance } from './conformance.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';

const help = `Usage: goodwire <command> [options]

Commands:
  conformance   run Autobahn's cases against a WebSocket server or clients

Options:
  --version     print the version
  --help        print this help; after a command, the help of that command
`;

type Command = (args: readonly string[], terminal: Terminal, stop: AbortSignal) => Promise<number>;

const commands: ReadonlyMap<string, Command> = new Map([['conformance', conformance]]);

/** Returns the version of the package that contains this file. */
function version(): string {
  for (let directory = import.meta.dirname; ; directory = dirname(directory)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
      if (name === 'goodwire') return version;
    } catch {
      // No package.json here. Continues in the parent directory.
    }
    if (directory === dirname(directory)) return 'unknown';
  }
}

/**
 * Runs `goodwire` with the arguments behind its name, and returns its exit code: 2 if the command is invalid or cannot
 * run.
 */
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
    const what = name === undefined ? 'no command given' : `unknown command ${JSON.stringify(name)}`;
    terminal.error(`goodwire: ${what}\n\n${help}`);
    return 2;
  }
  try {
    return await command(rest, terminal, stop);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    // The message may contain text of a peer.
    terminal.error(`goodwire ${name}: ${printable(error.message, 500)}\nTry: goodwire ${name} --help\n`);
    return 2;
  }
}
