import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { CaseDefinition } from '../cases/case-definition.ts';
import { catalogue } from '../cases/catalogue.ts';
import { Patience } from '../patience.ts';
import type { CaseResult } from '../report/case-result.ts';
import type { Recorder } from '../session/recorder.ts';
import { checkAgreement, offerDeflate } from '../wire/deflate-agreement.ts';
import { OpeningError } from '../wire/http-head.ts';
import { checkResponse, openingRequest } from '../wire/opening.ts';
import { readHead } from '../wire/read-head.ts';
import { defaultPatience, type Heads, type Opened, runCase } from './run-case.ts';

export interface FuzzingClientOptions {
  /** Address of the server under test: `ws:` or `wss:`. */
  readonly url: URL;
  /** Name of the server in the reports. */
  readonly agent: string;
  /** Default: the whole catalogue. */
  readonly cases?: readonly CaseDefinition[];
  /** Maximum number of concurrent cases. Default 1. */
  readonly parallel?: number;
  /** Maximum time for an answer of the server in milliseconds. Default 3000. */
  readonly patience?: number;
  /** Maximum duration of each case in milliseconds, even if the case allows more. */
  readonly timeLimit?: number;
  /** True to accept untrusted certificates. */
  readonly insecure?: boolean;
  /** Called with each result when its case has ended. */
  readonly onResult?: (result: CaseResult) => void;
  /** Stops the run: no further case starts. */
  readonly signal?: AbortSignal;
}

const connectLimit = 10_000;

function connectTo(url: URL, insecure: boolean): Promise<Socket> {
  const isSecure = url.protocol === 'wss:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || (isSecure ? 443 : 80));
  return new Promise((resolve, reject) => {
    const socket = isSecure
      ? connectTls({ host, port, servername: /^[\d.]+$|:/.test(host) ? '' : host, rejectUnauthorized: !insecure })
      : connect({ host, port });
    const patience = new Patience(connectLimit, () => socket.destroy(new Error('no answer')));
    const onError = (cause: NodeJS.ErrnoException) => {
      patience.stop();
      const why = cause.code === 'ECONNREFUSED' ? 'connection refused' : cause.message || (cause.code ?? 'no reason');
      reject(new OpeningError(`cannot connect to ${url.host}: ${why}`, 'connect', { cause }));
    };
    socket.once('error', onError);
    socket.once(isSecure ? 'secureConnect' : 'connect', () => {
      patience.stop();
      socket.off('error', onError);
      resolve(socket);
    });
  });
}

async function open(
  options: FuzzingClientOptions,
  definition: CaseDefinition,
  recorder: Recorder,
  heads: Heads,
): Promise<Opened> {
  const { url, patience = defaultPatience, insecure = false } = options;
  const socket = await connectTo(url, insecure);
  // Otherwise an error at a moment without another listener would end the process.
  socket.on('error', () => {});
  try {
    recorder.remark('tcp', 'out', `connected to ${url.host}`);
    const offers = definition.deflate ?? [];
    const request = openingRequest(url, offers.length === 0 ? null : offerDeflate(offers));
    socket.write(request.text);
    heads.request = request.text;
    recorder.preopen('out', request.text);
    const { text, rest } = await readHead(socket, Math.max(patience, defaultPatience));
    heads.response = text;
    recorder.preopen('in', text);
    const extensions = checkResponse(text, request);
    const deflate = checkAgreement(extensions, offers);
    return { socket, rest, deflate, extensions };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/**
 * Tests a server, with a connection per case. Returns the results in the order of the cases.
 *
 * @throws {OpeningError} The server cannot be reached or refuses the handshake, before any case has opened a
 *   connection.
 */
export async function runFuzzingClient(options: FuzzingClientOptions): Promise<CaseResult[]> {
  const { agent, cases = catalogue, parallel = 1, patience, timeLimit, onResult, signal } = options;
  const run = {
    agent,
    role: 'client' as const,
    ...(patience === undefined ? {} : { patience }),
    ...(timeLimit === undefined ? {} : { timeLimit }),
  };
  const results = new Array<CaseResult | undefined>(cases.length);
  let next = 0;
  let hasOpened = false;
  let fatal: OpeningError | null = null;

  const work = async () => {
    while (next < cases.length && fatal === null && !signal?.aborted) {
      const index = next++;
      const definition = cases[index] as CaseDefinition;
      const result = await runCase(
        definition,
        run,
        async (recorder, heads) => {
          const opened = await open(options, definition, recorder, heads);
          hasOpened = true;
          return opened;
        },
        (error) => {
          if (!hasOpened && error.kind !== 'invalid') fatal ??= error;
        },
      );
      results[index] = result;
      if (fatal === null) onResult?.(result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, cases.length) }, work));
  if (fatal !== null) throw fatal;
  return results.filter((result) => result !== undefined);
}
