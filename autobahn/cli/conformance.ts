import { join } from 'node:path';
import type { Verdict } from '../checker/check-report.ts';
import { formatTable } from '../checker/format-table.ts';
import type { CaseResult } from '../report/case-result.ts';
import { FileNames, indexOf } from '../report/index-json.ts';
import { writeReports } from '../report/write-reports.ts';
import { runFuzzingClient } from '../run/fuzzing-client.ts';
import { FuzzingServer } from '../run/fuzzing-server.ts';
import { OpeningError } from '../wire/http-head.ts';
import { type ConformanceOptions, conformanceHelp, readConformanceOptions } from './conformance-options.ts';
import { areAllGood, Progress } from './progress.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';

/**
 * Runs `goodwire conformance` and returns its exit code. `stop` ends the run early; results up to then are reported.
 *
 * @throws {UsageError} The command line is invalid, or the cases cannot be run.
 */
export async function conformance(args: readonly string[], terminal: Terminal, stop: AbortSignal): Promise<number> {
  const options = readConformanceOptions(args);
  if (options === null) {
    terminal.out(conformanceHelp);
    return 0;
  }
  const results =
    options.url === null
      ? await testClients(options, terminal, stop)
      : await testServer(options, options.url, terminal, stop);
  if (results.length === 0) throw new UsageError('no case was run');
  report(results, options, terminal);
  // Not 0, because cases of a stopped run are missing.
  if (stop.aborted && options.url !== null) return 2;
  return areAllGood(results) ? 0 : 1;
}

async function testServer(
  options: ConformanceOptions,
  url: URL,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<CaseResult[]> {
  const { cases, parallel, patience, timeLimit, insecure } = options;
  const progress = new Progress(
    terminal,
    cases.map(({ id }) => id),
  );
  try {
    return await runFuzzingClient({
      url,
      agent: options.agent ?? url.host,
      cases,
      parallel,
      patience,
      insecure,
      signal,
      ...(timeLimit === null ? {} : { timeLimit }),
      onResult: (result) => progress.add(result),
    });
  } catch (error) {
    if (!(error instanceof OpeningError)) throw error;
    throw new UsageError(error.message, { cause: error });
  } finally {
    progress.end();
  }
}

async function testClients(options: ConformanceOptions, terminal: Terminal, stop: AbortSignal): Promise<CaseResult[]> {
  const { listen, cases, patience, timeLimit, agent, once, output } = options;
  const { host, port } = listen as NonNullable<typeof listen>;
  let end = () => {};
  const isOver = new Promise<void>((resolve) => {
    end = resolve;
  });
  const progresses = new Map<string, Progress>();
  const progressOf = (name: string): Progress => {
    const known = progresses.get(name);
    if (known !== undefined) return known;
    const made = new Progress(
      terminal,
      cases.map(({ id }) => id),
    );
    progresses.set(name, made);
    return made;
  };
  const server = new FuzzingServer({
    host,
    port,
    cases,
    patience,
    ...(timeLimit === null ? {} : { timeLimit }),
    ...(agent === null ? {} : { agent }),
    onResult: (result) => progressOf(result.agent).add(result),
    onUpdateReports: async () => {
      try {
        if (output !== null) writeReports(output, await allResults(server));
      } catch (error) {
        // Not fatal, because the reports are written again at the end. Otherwise later results of clients would be
        // lost.
        terminal.error(`cannot write the reports to ${output}: ${(error as Error).message}\n`);
      }
      if (once) end();
    },
  });
  const actual = await server.listen().catch((cause: NodeJS.ErrnoException) => {
    throw new UsageError(`cannot listen on ${host}:${port}: ${cause.code ?? cause.message}`, { cause });
  });
  terminal.error(`listening for clients on ws://${host.includes(':') ? `[${host}]` : host}:${actual}\n`);
  if (stop.aborted) end();
  stop.addEventListener('abort', () => end(), { once: true });
  await isOver;
  const results = await allResults(server);
  // Otherwise the client that requested the reports would not receive its close frame.
  await server.close(1000);
  for (const progress of progresses.values()) progress.end();
  return results;
}

async function allResults(server: FuzzingServer): Promise<CaseResult[]> {
  const lists = await Promise.all(server.agents.map((name) => server.results(name)));
  return lists.flat();
}

function report(results: readonly CaseResult[], options: ConformanceOptions, terminal: Terminal): void {
  const { output, json } = options;
  if (output !== null) {
    try {
      writeReports(output, results);
    } catch (cause) {
      throw new UsageError(`cannot write the reports to ${output}: ${(cause as Error).message}`, { cause });
    }
  }
  if (json) terminal.out(`${JSON.stringify(indexOf(results, new FileNames()), null, 2)}\n`);
  const write = json ? terminal.error : terminal.out;
  const agents = new Map<string, Verdict[]>();
  for (const { agent, id, behavior, behaviorClose } of results) {
    const verdicts = agents.get(agent) ?? [];
    agents.set(agent, verdicts);
    verdicts.push({ id, behavior, behaviorClose, isGood: true });
  }
  write(`${formatTable({ agents, defects: [] })}\n`);
  if (output !== null) write(`\nReport: ${join(output, 'index.html')}\n`);
}
