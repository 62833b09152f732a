import { groupOf } from '../cases/case-definition.ts';
import { printable } from '../checker/format-table.ts';
import type { CaseResult } from '../report/case-result.ts';
import type { Terminal } from './terminal.ts';

const isGood = ({ behavior, behaviorClose }: CaseResult): boolean =>
  [behavior, behaviorClose].every((name) => name === 'OK' || name === 'INFORMATIONAL');

/** True if every result is OK or INFORMATIONAL. */
export const areAllGood = (results: readonly CaseResult[]): boolean => results.every(isGood);

/** Maximum length in characters of a reason in one line. */
const maxReason = 300;

function describe(result: CaseResult): string {
  const { id, behavior, behaviorClose, goodwire } = result;
  const names = behavior === behaviorClose ? behavior : `${behavior}, close ${behaviorClose}`;
  return `✗ ${id}  ${names}  ${printable(goodwire.failure ?? '', maxReason)}`;
}

/**
 * Reports the progress of a run: each failed case at once, and on a terminal one updated line, otherwise a line per
 * group.
 */
export class Progress {
  readonly #terminal: Terminal;
  readonly #total: number;
  readonly #left = new Map<string, number>();
  readonly #good = new Map<string, number>();
  #count = 0;
  #bad = 0;

  /** @param ids Ids of the cases that will run. */
  constructor(terminal: Terminal, ids: readonly string[]) {
    this.#terminal = terminal;
    this.#total = ids.length;
    for (const id of ids) this.#left.set(groupOf(id), (this.#left.get(groupOf(id)) ?? 0) + 1);
  }

  add(result: CaseResult): void {
    this.#count++;
    const group = groupOf(result.id);
    const left = (this.#left.get(group) ?? 0) - 1;
    this.#left.set(group, left);
    if (isGood(result)) this.#good.set(group, (this.#good.get(group) ?? 0) + 1);
    else {
      this.#bad++;
      this.#line(describe(result));
    }
    if (this.#terminal.columns !== null) this.#draw(result.id, this.#terminal.columns);
    else if (left === 0) this.#line(`  ${group}  ${this.#good.get(group) ?? 0} passed`);
  }

  /** Removes the updated line. */
  end(): void {
    if (this.#terminal.columns !== null) this.#terminal.error('\r\u001b[K');
  }

  #line(text: string): void {
    this.#terminal.error(this.#terminal.columns === null ? `${text}\n` : `\r\u001b[K${text}\n`);
  }

  #draw(id: string, columns: number): void {
    const width = Math.max(10, Math.min(30, columns - 40));
    const done = Math.floor((this.#count / this.#total) * width);
    const bar = '█'.repeat(done) + '░'.repeat(width - done);
    const bad = this.#bad === 0 ? '' : `, ${this.#bad} failed`;
    this.#terminal.error(`\r\u001b[K${`${bar} ${this.#count} of ${this.#total}${bad}  ${id}`.slice(0, columns - 1)}`);
  }
}
