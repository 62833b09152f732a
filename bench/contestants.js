/** Contestants of the benchmark. */
import { access, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * @typedef {object} Contestant
 * @property {string} name as in the table
 * @property {string | undefined} library module that the programs import; undefined: the floor, without a library
 * @property {Readonly<Record<string, string>>} env
 * @property {boolean} native true if the process must have loaded bufferutil, which is checked
 * @property {boolean} hasMarket true for a build of goodwire with goods.js beside its entry file
 * @property {string} version for the header
 */

/** Contestant to which all ratios refer. */
export const SUBJECT = 'goodwire';
/** Contestant of the fan-out rows only. */
export const ROOMS = 'Socket.IO';
/** Lower bound for libraries on `node:net`. */
export const FLOOR = 'raw net';

const require = createRequire(import.meta.url);

/** Settings of a contestant that uses ws without the native addon. */
const withoutAddon = { env: { WS_NO_BUFFER_UTIL: '1' }, native: false, hasMarket: false };

/** @param {string} name */
async function versionOf(name) {
  const { version } = JSON.parse(await readFile(require.resolve(`${name}/package.json`), 'utf8'));
  return `${name} ${version}`;
}

/**
 * @param {string} name
 * @param {string} entry path of a built entry file, such as another checkout's `dist/index.js`
 * @returns {Promise<Contestant>}
 */
async function build(name, entry) {
  await access(entry).catch(() => {
    throw new Error(`${entry} does not exist: run npm run build`);
  });
  const hasMarket = await access(join(dirname(entry), 'goods.js')).then(
    () => true,
    () => false,
  );
  return { name, library: pathToFileURL(entry).href, env: {}, native: false, hasMarket, version: entry };
}

/**
 * Returns the contestants: goodwire, ws as installed by `npm install ws`, ws with the native addon, and the floor.
 * @param {{ subject?: string | undefined, others?: readonly { name: string, entry: string, version?: string }[] }}
 *   [options] `subject`: another entry file in place of goodwire; `others`: further builds
 * @returns {Promise<Contestant[]>}
 * @throws {RangeError} if two contestants have the same name
 */
export async function contestants({ subject, others = [] } = {}) {
  const ws = await versionOf('ws');
  const bufferutil = await versionOf('bufferutil');
  const own = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')).version;
  const entry = subject ?? fileURLToPath(new URL('../dist/index.js', import.meta.url));
  const goodwire =
    subject === 'ws'
      ? { ...withoutAddon, name: SUBJECT, library: 'ws', version: `${ws} in its place` }
      : { ...(await build(SUBJECT, entry)), version: subject ?? own };
  const field = [
    goodwire,
    ...(await Promise.all(
      others.map(async ({ name, entry, version }) => ({ ...(await build(name, entry)), version: version ?? entry })),
    )),
    { ...withoutAddon, name: 'ws', library: 'ws', version: ws },
    { name: 'ws+bufferutil', library: 'ws', env: {}, native: true, hasMarket: false, version: bufferutil },
    { ...withoutAddon, name: ROOMS, library: 'socket.io', version: await versionOf('socket.io') },
    {
      name: FLOOR,
      library: undefined,
      env: {},
      native: false,
      hasMarket: false,
      version: `node:net of ${process.version}`,
    },
  ];
  const names = field.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new RangeError(`expected a unique name for each contestant, got ${twice} twice`);
  return field;
}
