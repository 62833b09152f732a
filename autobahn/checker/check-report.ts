/**
 * The cases of which Autobahn says INFORMATIONAL whatever the peer does: RFC 6455 leaves open what has to happen.
 */
export const informationalCases: ReadonlySet<string> = new Set(['7.1.6', '7.13.1', '7.13.2']);

/** What is wrong with one case of one agent, or with the report. */
export interface Defect {
  /** Undefined when it is about the report as a whole. */
  readonly agent?: string;
  /** Undefined when it is about an agent, or about the report as a whole. */
  readonly id?: string;
  readonly problem: string;
}

/** What the report says about one case. */
export interface Verdict {
  readonly id: string;
  /** How the peer behaved; undefined: the report does not say. */
  readonly behavior: string | undefined;
  /** How the connection was closed; undefined: the report does not say. */
  readonly behaviorClose: string | undefined;
  /** Whether that is what a correct implementation gets. */
  readonly isGood: boolean;
}

/** A report that has been read, and what is wrong with it. */
export interface CheckedReport {
  /** By agent, in the order of the report; its cases in the order of the report. */
  readonly agents: ReadonlyMap<string, readonly Verdict[]>;
  /** Empty when every case of every agent is there and good. */
  readonly defects: readonly Defect[];
}

/**
 * Checks a report in Autobahn's format, the text of an `index.json`: every expected case of every agent has to be there, and both its
 * `behavior` and its `behaviorClose` have to be OK, or INFORMATIONAL where nothing else is possible. NON-STRICT is not OK. Never throws: a
 * text that is no report is a defect.
 */
export function checkReport(text: string, expectedCases: Iterable<string>): CheckedReport {
  const agents = new Map<string, readonly Verdict[]>();
  const defects: Defect[] = [];
  const report = parse(text);
  if (typeof report === 'string') return { agents, defects: [{ problem: report }] };

  const expected = new Set(expectedCases);
  for (const [agent, cases] of Object.entries(report)) {
    if (!isRecord(cases)) {
      defects.push({ agent, problem: 'has no cases: expected an object of them' });
      continue;
    }
    const verdicts = Object.entries(cases).map(([id, result]) => judge(id, result));
    agents.set(agent, verdicts);
    for (const verdict of verdicts) {
      if (!expected.has(verdict.id)) defects.push({ agent, id: verdict.id, problem: 'is no case that was to be run' });
      else if (!verdict.isGood) defects.push({ agent, id: verdict.id, problem: describe(verdict) });
    }
    for (const id of expected) {
      if (!Object.hasOwn(cases, id)) defects.push({ agent, id, problem: 'is missing' });
    }
  }
  if (agents.size === 0 && defects.length === 0) defects.push({ problem: 'the report has no agent' });
  return { agents, defects };
}

/** The report as an object, or what is wrong with it. */
function parse(text: string): Record<string, unknown> | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `the report is no JSON: ${(error as Error).message}`;
  }
  return isRecord(value) ? value : 'the report is no object of agents';
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
