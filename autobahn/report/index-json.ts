import type { CaseResult } from './case-result.ts';

/** What Autobahn's `index.json` holds of a case. */
export interface IndexEntry extends Pick<CaseResult, 'behavior' | 'behaviorClose' | 'duration' | 'remoteCloseCode'> {
  /** The name of the file that has the whole result. */
  readonly reportfile: string;
}

/** Autobahn's `index.json`: by agent, then by case id. */
export type Index = Readonly<Record<string, Readonly<Record<string, IndexEntry>>>>;

/** Characters that the name of a file has of the name of an agent. */
const maxAgentLength = 100;

/** Names for files, as Autobahn makes them: lower case, underscores for the rest; numbered where two agents would have the same. */
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

/** Results as Autobahn lists them. */
export function indexOf(results: readonly CaseResult[], names: FileNames): Index {
  const byAgent = new Map<string, Map<string, IndexEntry>>();
  for (const result of results) {
    const { agent, id, behavior, behaviorClose, duration, remoteCloseCode } = result;
    const entries = byAgent.get(agent) ?? new Map<string, IndexEntry>();
    byAgent.set(agent, entries);
    entries.set(id, { behavior, behaviorClose, duration, remoteCloseCode, reportfile: names.nameOf(result) });
  }
  // An agent may be called anything, and __proto__ is only a name in an object that is made of entries.
  return Object.fromEntries([...byAgent].map(([agent, entries]) => [agent, Object.fromEntries(entries)]));
}
