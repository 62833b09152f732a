import type { CaseResult } from './case-result.ts';

/** Entry of a case in Autobahn's `index.json`. */
export interface IndexEntry extends Pick<CaseResult, 'behavior' | 'behaviorClose' | 'duration' | 'remoteCloseCode'> {
  /** Name of the file with the whole result. */
  readonly reportfile: string;
}

/** Autobahn's `index.json`: by agent, then by case id. */
export type Index = Readonly<Record<string, Readonly<Record<string, IndexEntry>>>>;

/** Maximum length of an agent's name in a file name, in characters. */
const maxAgentLength = 100;

/**
 * Names of files in Autobahn's style: lower case, with underscores for other characters, and numbered if two agents
 * would share a name.
 */
export class FileNames {
  readonly #stems = new Map<string, string>();

  nameOf({ agent, id }: Pick<CaseResult, 'agent' | 'id'>): string {
    return `${this.#stemOf(agent)}_case_${id.replaceAll('.', '_')}.json`;
  }

  #stemOf(agent: string): string {
    const known = this.#stems.get(agent);
    if (known !== undefined) return known;
    const cleaned =
      agent
        .trim()
        .toLowerCase()
        .slice(0, maxAgentLength)
        .replace(/[^a-z0-9]/g, '_') || 'agent';
    const taken = new Set(this.#stems.values());
    let stem = cleaned;
    for (let number = 2; taken.has(stem); number++) stem = `${cleaned}_${number}`;
    this.#stems.set(agent, stem);
    return stem;
  }
}

/** Lists results in Autobahn's format. */
export function indexOf(results: readonly CaseResult[], names: FileNames): Index {
  const byAgent = new Map<string, Map<string, IndexEntry>>();
  for (const result of results) {
    const { agent, id, behavior, behaviorClose, duration, remoteCloseCode } = result;
    const entries = byAgent.get(agent) ?? new Map<string, IndexEntry>();
    byAgent.set(agent, entries);
    entries.set(id, { behavior, behaviorClose, duration, remoteCloseCode, reportfile: names.nameOf(result) });
  }
  // fromEntries() treats an agent called __proto__ like any other name.
  return Object.fromEntries([...byAgent].map(([agent, entries]) => [agent, Object.fromEntries(entries)]));
}
