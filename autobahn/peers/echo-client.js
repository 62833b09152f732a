// Echo client for a fuzzing server. Requests the number of cases, runs them, and requests the report.
//   node autobahn/peers/echo-client.js ws://127.0.0.1:9001 [goodwire | ws | faye-websocket | websocket]
//   (AGENT: name in the report; PARALLEL: number of concurrent cases)
import { setTimeout as delay } from 'node:timers/promises';
import { loadPeer } from './peer.js';

const [base = 'ws://127.0.0.1:9001', name = 'goodwire'] = process.argv.slice(2);
const agent = encodeURIComponent(process.env.AGENT ?? name);
const parallel = Number(process.env.PARALLEL ?? 1);
const peer = await loadPeer(name);
/** Maximum number of attempts to reach a fuzzing server that is still starting, and milliseconds between them. */
const ATTEMPTS = 120;
const PAUSE = 500;

/**
 * Resolves with the last message when the server has closed; undefined if there was no connection.
 * @param {string} path @returns {Promise<string | undefined>}
 */
function ask(path) {
  return new Promise((resolve) => {
    /** @type {string | undefined} */
    let answer;
    peer.connect(`${base}${path}`, {
      onOpen() {
        answer = '';
      },
      onText(text) {
        answer = text;
      },
      onClose: () => resolve(answer),
    });
  });
}

/**
 * Runs one case by echoing. The server records the result.
 * @param {number} number @returns {Promise<void>}
 */
function runCase(number) {
  return new Promise((resolve) => {
    peer.connect(`${base}/runCase?case=${number}&agent=${agent}`, { onOpen() {}, onText: undefined, onClose: resolve });
  });
}

/** @returns {Promise<number>} */
async function countCases() {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const answer = await ask('/getCaseCount');
    if (answer !== undefined) return Number(answer);
    await delay(PAUSE);
  }
  throw new Error(`no answer from a fuzzing server at ${base}`);
}

const count = await countCases();
if (!Number.isInteger(count) || count < 1) throw new Error(`the fuzzing server has no cases: ${count}`);
let next = 0;
let done = 0;
async function work() {
  while (next < count) {
    await runCase(++next);
    if (++done % 50 === 0 || done === count) console.log(`${done}/${count} cases`);
  }
}
await Promise.all(Array.from({ length: parallel }, work));
await ask(`/updateReports?agent=${agent}`);
