import { parseArgs } from 'node:util';
import type { CaseDefinition } from '../cases/case-definition.ts';
import { selectCases } from '../cases/select-cases.ts';
import { defaultPatience } from '../run/run-case.ts';
import { UsageError } from './usage-error.ts';

export const conformanceHelp = `Usage: goodwire conformance <url> [options]              tests the server at a ws: or wss: address
       goodwire conformance --listen [host:]<port> [options]  tests clients that connect

Runs the 517 cases of the Autobahn testsuite against a WebSocket server, which has to echo what it gets, or against clients.
Clients ask for cases by Autobahn's URLs: /getCaseCount, /runCase?case=N&agent=NAME, /getCaseStatus?case=N&agent=NAME,
/updateReports?agent=NAME; so drivers that were written for Autobahn work as they are.

Options:
  --cases <list>     which cases, as in '1.*,7.9.*,6.4.1' (default: all)
  --exclude <list>   which of them not
  --agent <name>     what to call the peer in the reports (default: host and port; clients say it themselves)
  --output <dir>     where the reports go (default: conformance-report): index.html to read, index.json in Autobahn's format,
                     and a JSON file for each case
  --no-report        write no reports
  --parallel <n>     how many cases run at a time (default: 4; clients decide themselves)
  --patience <ms>    how long the peer may take for an answer (default: ${defaultPatience})
  --time-limit <s>   how long a case may take at most, whatever it says itself
  --once             with --listen: end when a client asks for the reports
  --insecure         with wss: take any certificate
  --json             print the results as JSON, in the form of index.json; progress goes to stderr
  --help             print this

Exit codes:
  0  every case is OK, or INFORMATIONAL, which a case is whose outcome the RFC leaves open
  1  some case is not
  2  the command line is wrong, or the cases could not be run
`;

export interface ConformanceOptions {
  /** The server to test; null where clients are tested. */
  readonly url: URL | null;
  readonly listen: { readonly host: string; readonly port: number } | null;
  readonly cases: readonly CaseDefinition[];
  readonly agent: string | null;
  /** Null for no reports. */
  readonly output: string | null;
  readonly parallel: number;
  /** In milliseconds. */
  readonly patience: number;
  /** In milliseconds; null where the cases decide. */
  readonly timeLimit: number | null;
  readonly once: boolean;
  readonly insecure: boolean;
  readonly json: boolean;
}

const definitions = {
  cases: { type: 'string', default: '*' },
  exclude: { type: 'string', default: '' },
  agent: { type: 'string' },
  output: { type: 'string' },
  'no-report': { type: 'boolean', default: false },
  parallel: { type: 'string', default: '4' },
  patience: { type: 'string', default: String(defaultPatience) },
  'time-limit': { type: 'string' },
  listen: { type: 'string' },
  once: { type: 'boolean', default: false },
  insecure: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** What setTimeout can count. */
const maxMilliseconds = 2 ** 31 - 1;

function readNumber(option: string, text: string, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > max) {
    throw new UsageError(`--${option} takes a whole number from 1 to ${max}, not ${JSON.stringify(text)}`);
  }
  return value;
}

function readUrl(text: string): URL {
  if (!URL.canParse(text))
    throw new UsageError(`${JSON.stringify(text)} is no URL; one looks like ws://127.0.0.1:9001`);
  const url = new URL(text);
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') {
    throw new UsageError(`the URL has to begin with ws: or wss:, not ${url.protocol}`);
  }
  return url;
}

function readListen(text: string): { host: string; port: number } {
  const match = /^(?:\[([\da-f:.]+)\]:|([^:]+):)?(\d+)$/i.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new UsageError(`--listen takes a port, or a host and a port as in 0.0.0.0:9001, not ${JSON.stringify(text)}`);
  }
  return { host: match[1] ?? match[2] ?? '127.0.0.1', port };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: definitions, allowPositionals: true });
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
}

function select(include: string, exclude: string): CaseDefinition[] {
  try {
    return selectCases(include, exclude);
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}; ids look like 7.1.6, and lists of them like '1.*,7.9.*'`, {
      cause,
    });
  }
}

/**
 * The options of `goodwire conformance`; null where help is asked for.
 *
 * @throws {UsageError} They make no sense.
 */
export function readConformanceOptions(args: readonly string[]): ConformanceOptions | null {
  const { values, positionals } = parse(args);
  if (values.help) return null;
  const [address, surplus] = positionals;
  if (surplus !== undefined) throw new UsageError(`one URL is enough; ${JSON.stringify(surplus)} is one too many`);
  if (address === undefined && values.listen === undefined) {
    throw new UsageError('say what to test: the URL of a server, or --listen and a port for clients');
  }
  if (address !== undefined && values.listen !== undefined) {
    throw new UsageError('a URL tests a server, --listen tests clients: one of them at a time');
  }
  if (values.once && values.listen === undefined) throw new UsageError('--once needs --listen');
  if (values['no-report'] && values.output !== undefined)
    throw new UsageError('--no-report and --output exclude each other');
  const limit = values['time-limit'];
  return {
    url: address === undefined ? null : readUrl(address),
    listen: values.listen === undefined ? null : readListen(values.listen),
    cases: select(values.cases, values.exclude),
    agent: values.agent ?? null,
    output: values['no-report'] ? null : (values.output ?? 'conformance-report'),
    parallel: readNumber('parallel', values.parallel, 256),
    patience: readNumber('patience', values.patience, maxMilliseconds),
    timeLimit: limit === undefined ? null : readNumber('time-limit', limit, Math.floor(maxMilliseconds / 1000)) * 1000,
    once: values.once,
    insecure: values.insecure,
    json: values.json,
  };
}
