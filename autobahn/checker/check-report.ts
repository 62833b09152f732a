/** Cases that are INFORMATIONAL in Autobahn for every peer, because RFC 6455 leaves their outcome open. */
export const informationalCases: ReadonlySet<string> = new Set(['7.1.6', '7.13.1', '7.13.2']);

/** Defect of one case of one agent, or of the report. */
export interface Defect {
  /** Undefined for a defect of the whole report. */
  readonly agent?: string;
  /** Undefined for a defect of an agent or of the whole report. */
  readonly id?: string;
  readonly problem: string;
}

/** Result of one case in the report. */
export interface Verdict {
  readonly id: string;
  /** Behavior of the peer; undefined if missing in the report. */
  readonly behavior: string | undefined;
  /** Behavior at the close of the connection; undefined if missing in the report. */
  readonly behaviorClose: string | undefined;
  /** True for the result of a correct implementation. */
  readonly isGood: boolean;
}

/** Parsed report and its defects. */
export interface CheckedReport {
  /** Verdicts by agent. Agents and cases are in the order of the report. */
  readonly agents: ReadonlyMap<string, readonly Verdict[]>;
  /** Empty if every case of every agent is present and good. */
  readonly defects: readonly Defect[];
}

/**
 * Checks a report in Autobahn's format, the text of an `index.json`. Every expected case of every agent must be
 * present. Both its `behavior` and its `behaviorClose` must be OK, or INFORMATIONAL for the informational cases.
 * NON-STRICT is not OK. Never throws: an invalid report is a defect.
 */
export function checkReport(text: string, expectedCases: Iterable<string>): CheckedReport {
  const agents = new Map<string, readonly Verdict[]>();
  const defects: Defect[] = [];
  const report = parse(text);
  if (typeof report === 'string') return { agents, defects: [{ problem: report }] };

  const expected = new Set(expectedCases);
  for (const [agent, cases] of Object.entries(report)) {
    if (!isRecord(cases)) {
      defects.push({ agent, problem: 'has no cases: expected an object' });
      continue;
    }
    const verdicts = Object.entries(cases).map(([id, result]) => judge(id, result));
    agents.set(agent, verdicts);
    for (const verdict of verdicts) {
      if (!expected.has(verdict.id)) defects.push({ agent, id: verdict.id, problem: 'is an unexpected case' });
      else if (!verdict.isGood) defects.push({ agent, id: verdict.id, problem: describe(verdict) });
    }
    for (const id of expected) {
      if (!Object.hasOwn(cases, id)) defects.push({ agent, id, problem: 'is missing' });
    }
  }
  if (agents.size === 0 && defects.length === 0) defects.push({ problem: 'the report has no agents' });
  return { agents, defects };
}

/** Returns the report as an object, or a description of the error. */
function parse(text: string): Record<string, unknown> | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `the report is not JSON: ${(error as Error).message}`;
  }
  return isRecord(value) ? value : 'the report is not an object of agents';
}

function judge(id: string, result: unknown): Verdict {
  const behavior = stringOf(result, 'behavior');
  const behaviorClose = stringOf(result, 'behaviorClose');
  return { id, behavior, behaviorClose, isGood: isGood(id, behavior) && isGood(id, behaviorClose) };
}

function isGood(id: string, behavior: string | undefined): boolean {
  return behavior === 'OK' || (behavior === 'INFORMATIONAL' && informationalCases.has(id));
}

function describe({ id, behavior, behaviorClose }: Verdict): string {
  const wrong = Object.entries({ behavior, behaviorClose }).filter(([, value]) => !isGood(id, value));
  return wrong.map(([key, value]) => `${key} is ${value ?? 'missing'}`).join(', ');
}

function stringOf(value: unknown, key: string): string | undefined {
  if (!isRecord(value) || !Object.hasOwn(value, key)) return undefined;
  const found = value[key];
  return typeof found === 'string' ? found : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
