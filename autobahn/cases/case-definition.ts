import type { Expected } from '../assess.ts';
import type { ExpectedClose } from '../report/case-result.ts';
import type { Session } from '../session/session.ts';
import type { DeflateRequest } from '../wire/deflate-agreement.ts';

/** Case of the catalogue: its texts, and a function that returns its plan. */
export interface CaseDefinition {
  /** Id such as `7.1.6`. */
  readonly id: string;
  readonly description: string;
  readonly expectation: string;
  /** Maximum duration of the case in milliseconds. Default 30 000. */
  readonly timeLimit?: number;
  /** Settings requested for the peer's compression, the preferred ones first. Default: no compression. */
  readonly deflate?: readonly DeflateRequest[];
  /** True if the RFC leaves the outcome open, so that every outcome is acceptable. */
  readonly isInformational?: boolean;
  /** True if the case measures its duration. */
  readonly reportTime?: boolean;
  /** Returns a new plan for each run, because payloads may be large. */
  readonly plan: () => CasePlan;
}

/** Actions of a case, and its expected outcome. */
export interface CasePlan {
  readonly expected: Expected;
  readonly close: ExpectedClose;
  /**
   * Sends frames, and waits if the case requires it. `concludeCase` ends the connection, unless `act` sends a close
   * frame.
   */
  readonly act: (session: Session) => Promise<void>;
}

/** We start the closing handshake with 1000, and the peer completes it. */
export const normalClose: ExpectedClose = { closedByMe: true, closeCode: [1000], requireClean: true };

/** The peer fails the connection: with a close frame that has one of the codes or none, or by ending TCP. */
export const failure = (...closeCode: number[]): ExpectedClose => ({
  closedByMe: false,
  closeCode,
  requireClean: false,
});

/** Our close frame is invalid, and the peer answers with one of the codes, or ends TCP. */
export const wrongClose = (...closeCode: number[]): ExpectedClose => ({
  closedByMe: true,
  closeCode,
  requireClean: false,
});

/** Returns the group of a case id: `7.1` for `7.1.6`, `2` for `2.11`. */
export const groupOf = (id: string): string => id.split('.').slice(0, -1).join('.');

/** Ends the connection as the case requires, after `act`. */
export async function concludeCase(session: Session, plan: CasePlan): Promise<void> {
  const lists = Object.values(plan.expected);
  if (session.localClose === null && !plan.close.closedByMe) {
    await session.awaitFailure(lists);
    return;
  }
  if (session.localClose === null) {
    await session.heard(plan.expected.OK?.length ?? 0, lists);
    await session.close(1000);
  }
  await session.awaitEnd();
}
