import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Exit of a program: `code` is null if a signal ended it. */
export interface Exit {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Script of this repository in a separate process. */
export interface Program {
  /** Resolves when the process has ended and all of its output was read. */
  readonly exit: Promise<Exit>;
  /** Resolves with the match once the standard output contains it; rejects if the process ends before. */
  prints(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): void;
}

/** Starts `node <script> <args>`. The script is relative to the root; `env` is added to the current environment. */
export function start(script: string, env: Record<string, string> = {}, args: readonly string[] = []): Program {
  const child = spawn(process.execPath, [script, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // Otherwise a program forgotten by a failing test would outlive the tests.
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const exit = once(child, 'close').then(([code]): Exit => ({ code, stdout, stderr }));

  return {
    exit,
    prints(pattern) {
      return new Promise((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(stdout);
          if (!match) return;
          child.stdout.off('data', look);
          resolve(match);
        };
        child.stdout.on('data', look);
        look();
        exit.then(({ code }) =>
          reject(new Error(`${script} ended with ${code} without printing ${pattern}: ${stderr}`)),
        );
      });
    },
    kill(signal) {
      child.kill(signal);
    },
  };
}
