/** What Autobahn writes about one case. */
export interface CaseEntry {
  behavior: string;
  behaviorClose: string;
  duration: number;
  remoteCloseCode: number | null;
  reportfile: string;
}

/** The entry that a correct implementation gets. */
export function goodEntry(id: string): CaseEntry {
  const isInformational = ['7.1.6', '7.13.1', '7.13.2'].includes(id);
  const behavior = isInformational ? 'INFORMATIONAL' : 'OK';
  const reportfile = `agent_case_${id.replaceAll('.', '_')}.json`;
  return { behavior, behaviorClose: behavior, duration: 2, remoteCloseCode: 1000, reportfile };
}

/** A report in which everything is good, for every agent. */
export function goodReport(
  agents: readonly string[],
  ids: readonly string[],
): Record<string, Record<string, CaseEntry>> {
  const cases = () => Object.fromEntries(ids.map((id) => [id, goodEntry(id)]));
  return Object.fromEntries(agents.map((agent) => [agent, cases()]));
}
