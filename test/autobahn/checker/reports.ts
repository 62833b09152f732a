/** Entry of one case in Autobahn's report. */
export interface CaseEntry {
  behavior: string;
  behaviorClose: string;
  duration: number;
  remoteCloseCode: number | null;
  reportfile: string;
}

/** Returns the entry of a correct implementation. */
export function goodEntry(id: string): CaseEntry {
  const isInformational = ['7.1.6', '7.13.1', '7.13.2'].includes(id);
  const behavior = isInformational ? 'INFORMATIONAL' : 'OK';
  const reportfile = `agent_case_${id.replaceAll('.', '_')}.json`;
  return { behavior, behaviorClose: behavior, duration: 2, remoteCloseCode: 1000, reportfile };
}

/** Returns a report in which every case of every agent is good. */
export function goodReport(
  agents: readonly string[],
  ids: readonly string[],
): Record<string, Record<string, CaseEntry>> {
  const cases = () => Object.fromEntries(ids.map((id) => [id, goodEntry(id)]));
  return Object.fromEntries(agents.map((agent) => [agent, cases()]));
}
