// Run by npm as `prepare`: builds dist/ where goodwire is installed from a git repository, which has none. In a checkout it does nothing,
// because each script that needs dist/ builds it first.
import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';

/** Directory in which npm was started; undefined with other package managers. */
const { INIT_CWD: start } = process.env;
const root = realpathSync(join(import.meta.dirname, '..'));

if (start === undefined || realpathSync(start) !== root) {
  const build = join(import.meta.dirname, 'build.js');
  process.exitCode = spawnSync(process.execPath, [build], { stdio: 'inherit' }).status ?? 1;
}
