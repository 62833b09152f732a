import type { CaseDefinition } from '../../../autobahn/cases/case-definition.ts';
import type { CaseResult } from '../../../autobahn/report/case-result.ts';
import { runFuzzingClient } from '../../../autobahn/run/fuzzing-client.ts';
import { FuzzingServer } from '../../../autobahn/run/fuzzing-server.ts';
import { runEchoClient } from './echo-client.ts';
import { startEchoServer } from './echo-server.ts';
import { type FaultName, faultTable } from './faults.ts';
import { isSelected } from './select-cases.ts';

export type Role = 'server' | 'client';

interface RunOptions {
  readonly cases: readonly CaseDefinition[];
  readonly parallel: number;
  /** Maximum time in milliseconds that the runner waits for an answer of the peer. */
  readonly patience: number;
}

/** Runs cases against a peer with a fault in the given role; the runner takes the other role. */
export async function runFault(fault: FaultName | undefined, role: Role, options: RunOptions): Promise<CaseResult[]> {
  const faults = fault === undefined ? [] : [fault];
  const agent = fault ?? 'no fault';
  if (role === 'server') {
    await using server = await startEchoServer(faults);
    return await runFuzzingClient({ ...options, url: new URL(server.url), agent });
  }
  const results: CaseResult[] = [];
  const server = new FuzzingServer({ ...options, port: 0, onResult: (result) => results.push(result) });
  const port = await server.listen();
  let next = 0;
  const work = async () => {
    while (next < options.cases.length)
      await runEchoClient(`ws://127.0.0.1:${port}/runCase?case=${++next}&agent=${encodeURIComponent(agent)}`, faults);
  };
  await Promise.all(Array.from({ length: options.parallel }, work));
  // A case may continue after the end of the client.
  await server.results(agent);
  await server.close();
  return results;
}

/** True if the fault may change the result of the case. */
export function isTouched(fault: FaultName, id: string): boolean {
  const { behavior = {}, close = {} } = faultTable[fault];
  return [...Object.values(behavior), ...Object.values(close)].some((patterns) => isSelected(id, patterns));
}

/** Returns the expected result in the table as one text: the behavior, then the close, `…` if not compared. */
function wanted(fault: FaultName | undefined, id: string): string {
  const { behavior = {}, close = {} } = fault === undefined ? {} : faultTable[fault];
  const good = /^7\.(?:1\.6|13\.\d)$/.test(id) ? 'INFORMATIONAL' : 'OK';
  const worth = Object.entries(behavior).find(([, patterns]) => isSelected(id, patterns))?.[0];
  if (worth === 'FAILED' || worth === 'UNIMPLEMENTED') return `${worth}, …`;
  const end = Object.entries(close).find(([, patterns]) => isSelected(id, patterns))?.[0];
  return `${worth ?? good}, ${end ?? good}`;
}

function came(want: string, { behavior, behaviorClose }: CaseResult): string {
  if (want.endsWith(', …')) return `${behavior}, …`;
  const isBad = behaviorClose !== 'OK' && behaviorClose !== 'INFORMATIONAL';
  return `${behavior}, ${want.endsWith(', any') && isBad ? 'any' : behaviorClose}`;
}

/** Returns the cases whose result differs from the table, one per line. */
export function differences(fault: FaultName | undefined, results: readonly CaseResult[]): string[] {
  return results.flatMap((result) => {
    const want = wanted(fault, result.id);
    const have = came(want, result);
    return have === want
      ? []
      : [`${result.id}: ${have} instead of ${want}: ${result.goodwire.failure ?? 'no failure'}`];
  });
}
