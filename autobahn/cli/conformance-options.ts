import { parseArgs } from 'node:util';
import type { CaseDefinition } from '../cases/case-definition.ts';
import { selectCases } from '../cases/select-cases.ts';
import { defaultPatience } from '../run/run-case.ts';
import { UsageError } from './usage-error.ts';

export const conformanceHelp = `Usage: goodwire conformance <url> [options]              test the server at a ws: or wss: address
       goodwire conformance --listen [host:]<port> [options]  test clients that connect

Runs the 517 cases of the Autobahn testsuite against a WebSocket server, which must echo its messages, or against clients.
Clients request cases by Autobahn's URLs: /getCaseCount, /runCase?case=N&agent=NAME, /getCaseStatus?case=N&agent=NAME,
/updateReports?agent=NAME. Drivers written for Autobahn work unchanged.

Options:
  --cases <list>     cases to run, such as '1.*,7.9.*,6.4.1' (default: all)
  --exclude <list>   cases to exclude
  --agent <name>     name of the peer in the reports (default: host and port; clients send their own)
  --output <dir>     directory for the reports (default: conformance-report): index.html to read, index.json in Autobahn's
                     format, and a JSON file for each case
  --no-report        do not write reports
  --parallel <n>     number of concurrent cases (default: 4; clients decide themselves)
  --patience <ms>    maximum time for an answer of the peer (default: ${defaultPatience})
  --time-limit <s>   maximum duration of each case
  --once             with --listen: exit when a client requests the reports
  --insecure         with wss: accept any certificate
  --json             print the results as JSON, in the format of index.json; progress goes to stderr
  --help             print this help

Exit codes:
  0  every case is OK, or INFORMATIONAL because the RFC leaves its outcome open
  1  at least one case failed
  2  the command line is invalid, or the cases could not be run
`;

export interface ConformanceOptions {
  /** Server to test; null if clients are tested. */
  readonly url: URL | null;
  readonly listen: { readonly host: string; readonly port: number } | null;
  readonly cases: readonly CaseDefinition[];
  readonly agent: string | null;
  /** Directory of the reports; null for no reports. */
  readonly output: string | null;
  readonly parallel: number;
  /** In milliseconds. */
  readonly patience: number;
  /** In milliseconds; null for the limits of the cases. */
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

/** Maximum delay of setTimeout. */
const maxMilliseconds = 2 ** 31 - 1;

function readNumber(option: string, text: string, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > max) {
    throw new UsageError(`--${option} must be an integer from 1 to ${max}; got ${JSON.stringify(text)}`);
  }
  return value;
}

function readUrl(text: string): URL {
  if (!URL.canParse(text))
    throw new UsageError(`invalid URL ${JSON.stringify(text)}; expected a URL such as ws://127.0.0.1:9001`);
  const url = new URL(text);
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') {
    throw new UsageError(`the URL must begin with ws: or wss:; got ${url.protocol}`);
  }
  return url;
}

function readListen(text: string): { host: string; port: number } {
  const match = /^(?:\[([\da-f:.]+)\]:|([^:]+):)?(\d+)$/i.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new UsageError(
      `--listen must be a port, or a host and a port such as 0.0.0.0:9001; got ${JSON.stringify(text)}`,
    );
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
    throw new UsageError(`${(cause as Error).message}; expected ids such as 7.1.6, or lists such as '1.*,7.9.*'`, {
      cause,
    });
  }
}

/**
 * Reads the options of `goodwire conformance`. Returns null for `--help`.
 *
 * @throws {UsageError} The options are invalid.
 */
export function readConformanceOptions(args: readonly string[]): ConformanceOptions | null {
  const { values, positionals } = parse(args);
  if (values.help) return null;
  const [address, surplus] = positionals;
  if (surplus !== undefined) throw new UsageError(`expected one URL; got also ${JSON.stringify(surplus)}`);
  if (address === undefined && values.listen === undefined) {
    throw new UsageError('specify the URL of a server to test, or --listen and a port to test clients');
  }
  if (address !== undefined && values.listen !== undefined) {
    throw new UsageError('a URL (tests a server) and --listen (tests clients) exclude each other');
  }
  if (values.once && values.listen === undefined) throw new UsageError('--once requires --listen');
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
