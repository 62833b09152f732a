// The echo client that a fuzzing server is let loose on: goodwire with its default options. It asks how many cases there are, runs them
// one after the other, and has the report written.
//   node autobahn/docker/echo-client.js ws://127.0.0.1:9001            (AGENT=name for the name in the report)
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'goodwire';

const [base = 'ws://127.0.0.1:9001'] = process.argv.slice(2);
const agent = encodeURIComponent(process.env.AGENT ?? 'goodwire');
/** How often, and every how many milliseconds, it tries to reach a fuzzing server that is still starting. */
const ATTEMPTS = 120;
const PAUSE = 500;

/** @param {string} path @returns {Promise<string>} the last message, when the server has closed */
function ask(path) {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = new WebSocket(`${base}${path}`);
    socket.on('message', (data) => {
      answer = String(data);
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}

/** Runs one case: whatever the server does is echoed or refused, and what it thinks of that it writes down itself. @param {number} number */
function runCase(number) {
  return new Promise((resolve, reject) => {
    let opened = false;
    const socket = new WebSocket(`${base}/runCase?case=${number}&agent=${agent}`);
    socket.on('open', () => {
      opened = true;
    });
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    // Most errors are what the case is about; that there was no connection is none of them.
    socket.on('error', (error) => opened || reject(error));
    socket.on('close', resolve);
  });
}

/** @returns {Promise<number>} */
async function countCases() {
  for (let attempt = 1; ; attempt++) {
    try {
      return Number(await ask('/getCaseCount'));
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await delay(PAUSE);
    }
  }
}

const count = await countCases();
if (!Number.isInteger(count) || count < 1) throw new Error(`the fuzzing server has no cases: ${count}`);
for (let number = 1; number <= count; number++) {
  await runCase(number);
  if (number % 50 === 0 || number === count) console.log(`${number}/${count} cases`);
}
await ask(`/updateReports?agent=${agent}`);
