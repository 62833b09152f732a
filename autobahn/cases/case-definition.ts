import type { Expected } from '../assess.ts';
import type { ExpectedClose } from '../report/case-result.ts';
import type { Session } from '../session/session.ts';
import type { DeflateRequest } from '../wire/deflate-agreement.ts';

/** A case of the catalogue: what people read, and how to make what is to be done. */
export interface CaseDefinition {
  /** As in `7.1.6`. */
  readonly id: string;
  readonly description: string;
  readonly expectation: string;
  /** Milliseconds that the whole case may take; 30 000 if absent. */
  readonly timeLimit?: number;
  /** What is asked of the peer's compression, the best first; absent for no compression. */
  readonly deflate?: readonly DeflateRequest[];
  /** Whether the RFC leaves open what happens, so that nothing is right or wrong. */
  readonly isInformational?: boolean;
  /** Whether it is about how long it takes. */
  readonly reportTime?: boolean;
  /** Made anew for each run: payloads may be large. */
  readonly plan: () => CasePlan;
}

/** What a case does, and what is right then. */
export interface CasePlan {
  readonly expected: Expected;
  readonly close: ExpectedClose;
  /** Sends, and waits where waiting is part of the case. How the connection ends is up to `concludeCase`, unless it sends a close frame. */
  readonly act: (session: Session) => Promise<void>;
}

/** We begin the closing handshake with 1000, and the peer finishes it. */
export const normalClose: ExpectedClose = { closedByMe: true, closeCode: [1000], requireClean: true };

/** The peer fails the connection: with a close frame that has one of the codes or none, or by ending TCP. */
export const failure = (...closeCode: number[]): ExpectedClose => ({
  closedByMe: false,
  closeCode,
  requireClean: false,
});

/** Our close frame is wrong, and the peer says so with one of the codes, or ends TCP. */
export const wrongClose = (...closeCode: number[]): ExpectedClose => ({
  closedByMe: true,
  closeCode,
  requireClean: false,
});

/** The group of a case id: `7.1` of `7.1.6`, `2` of `2.11`. */
export const groupOf = (id: string): string => id.split('.').slice(0, -1).join('.');

/** Ends the connection as the case wants it, after `act`. */
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
