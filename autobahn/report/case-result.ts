/**
 * What one case came to: the content of one case's JSON file, and what the HTML report is made of.
 *
 * The fields of `AutobahnCaseReport` are Autobahn's: its JSON reports have them by these names and with these meanings, so that
 * programs which read its reports read ours. What Autobahn does not have stands in one field, `goodwire` (`CaseDetails`).
 */
export interface CaseResult extends AutobahnCaseReport {
  /** Ours: what Autobahn's reports do not have. */
  readonly goodwire: CaseDetails;
}

/** How a peer did in what it sent. */
export type Behavior = 'OK' | 'NON-STRICT' | 'INFORMATIONAL' | 'UNIMPLEMENTED' | 'FAILED';

/**
 * How the connection ended. UNCLEAN: a closing handshake was required and not finished. WRONG CODE: it was, with a close code that is
 * not allowed here. FAILED BY CLIENT: the server left it to the client to close the TCP connection.
 */
export type CloseBehavior = Behavior | 'UNCLEAN' | 'WRONG CODE' | 'FAILED BY CLIENT';

/**
 * Something that came, or did not. Payloads are text as it is; binary as text of hex digits; both cut after 1024 characters, with
 * ` … (N octets)` behind. `timeout`: the wait of that name passed. `roundtrips` is ours: so many messages came back as they were sent.
 */
export type ReportedEvent =
  | readonly ['message', payload: string, isBinary: boolean]
  | readonly ['ping' | 'pong', payload: string]
  | readonly ['timeout', name: string]
  | readonly ['roundtrips', count: number];

/** How a case wants the connection to end. `closeCode`: any of these, or none at all. */
export interface ExpectedClose {
  readonly closedByMe: boolean;
  readonly closeCode: readonly number[];
  readonly requireClean: boolean;
}

/** Octets on the wire, `[length, hex digits]`: the digits of at most the first 64 octets, then ` ...` when there are more. */
export type LoggedOctets = readonly [length: number, hex: string];

/** A payload, `[length, text or hex digits]`, cut like `LoggedOctets`. */
export type LoggedPayload = readonly [length: number, text: string];

/**
 * An entry of Autobahn's wire log. RO/TO: octets received/transmitted. RF/TF: a frame received/transmitted. KL: we close TCP after so
 * many seconds; KLE: we did. TI: we close after so many seconds; TIE: we did. CT/CTE: a pause begins/ends. WLM: a remark.
 */
export type WireLogEntry =
  | readonly ['RO', LoggedOctets]
  | readonly ['TO', LoggedOctets, sync: boolean]
  | readonly ['RF', LoggedPayload, opcode: number, fin: boolean, rsv: number, masked: boolean, mask: string | null]
  | readonly [
      'TF',
      LoggedPayload,
      opcode: number,
      fin: boolean,
      rsv: number,
      mask: string | null,
      payloadLength: number | null,
      chopSize: number | null,
      sync: boolean,
    ]
  | readonly ['KL' | 'KLE' | 'TI' | 'TIE' | 'CT' | 'CTE', seconds: number]
  | readonly ['WLM', remark: string];

/** Counts of octets, frames and messages of one connection, by Autobahn's names. */
export interface TrafficStats {
  readonly incomingOctetsWireLevel: number;
  readonly incomingOctetsWebSocketLevel: number;
  readonly incomingOctetsAppLevel: number;
  readonly incomingCompressionRatio: number | null;
  readonly incomingWebSocketFrames: number;
  readonly incomingWebSocketMessages: number;
  readonly preopenIncomingOctetsWireLevel: number;
  readonly outgoingOctetsWireLevel: number;
  readonly outgoingOctetsWebSocketLevel: number;
  readonly outgoingOctetsAppLevel: number;
  readonly outgoingCompressionRatio: number | null;
  readonly outgoingWebSocketFrames: number;
  readonly outgoingWebSocketMessages: number;
  readonly preopenOutgoingOctetsWireLevel: number;
}

/** Autobahn's report of a case. `me` is the side that tests; `remote` is the peer under test. */
export interface AutobahnCaseReport {
  /** The position of the case in the whole catalogue, from 1 on. */
  readonly case: number;
  /** As in `7.1.6`. */
  readonly id: string;
  readonly description: string;
  readonly expectation: string;
  /** The name of the peer under test. */
  readonly agent: string;

  readonly behavior: Behavior;
  readonly behaviorClose: CloseBehavior;
  /** In words, why `behavior` is what it is. */
  readonly result: string;
  /** In words, why `behaviorClose` is what it is. */
  readonly resultClose: string;

  /** Milliseconds, from the beginning of the opening handshake to the end of the connection. */
  readonly duration: number;
  /** ISO 8601, UTC. */
  readonly started: string;
  /** Whether the duration is what the case is about. */
  readonly reportTime: boolean;
  /** Whether the compression ratio is of interest. */
  readonly reportCompressionRatio: boolean;

  /** What may come, by what it is worth. */
  readonly expected: Readonly<Partial<Record<Behavior, readonly ReportedEvent[]>>>;
  readonly expectedClose: ExpectedClose;
  /** What came; at most the first 100. */
  readonly received: readonly ReportedEvent[];

  /** Whether we played the server. */
  readonly isServer: boolean;
  /** We sent the first close frame, or gave up first. */
  readonly closedByMe: boolean;
  /** We failed the connection, since the peer broke the protocol or gave no answer. */
  readonly failedByMe: boolean;
  /** We closed the TCP connection. */
  readonly droppedByMe: boolean;
  /** Both close frames were there before the TCP connection ended. */
  readonly wasClean: boolean;
  readonly wasNotCleanReason: string | null;
  readonly wasServerConnectionDropTimeout: boolean;
  readonly wasOpenHandshakeTimeout: boolean;
  readonly wasCloseHandshakeTimeout: boolean;
  readonly localCloseCode: number | null;
  readonly localCloseReason: string | null;
  readonly remoteCloseCode: number | null;
  readonly remoteCloseReason: string | null;

  /** The head of the opening handshake as it went over the wire, `\r\n` and all; empty when it did not get so far. */
  readonly httpRequest: string;
  readonly httpResponse: string;

  readonly createStats: boolean;
  readonly createWirelog: boolean;
  /** How often so many octets came (went) in one piece. */
  readonly rxOctetStats: Readonly<Record<string, number>>;
  readonly txOctetStats: Readonly<Record<string, number>>;
  /** How many frames of each opcode came (went). */
  readonly rxFrameStats: Readonly<Record<string, number>>;
  readonly txFrameStats: Readonly<Record<string, number>>;
  readonly trafficStats: TrafficStats | null;
  /** At most 256 entries: of a longer log the first and the last 128, with a remark between. */
  readonly wirelog: readonly WireLogEntry[];
}

/** A frame on the wire, in the log of the report. */
export interface TracedFrame {
  readonly kind: 'frame';
  /** Milliseconds since the opening handshake began, with fractions. */
  readonly at: number;
  /** `in`: from the peer. `out`: from us. */
  readonly direction: 'in' | 'out';
  readonly opcode: number;
  readonly fin: boolean;
  /** The three reserved bits as a number: RSV1 is 4, RSV2 is 2, RSV3 is 1. */
  readonly rsv: number;
  /** Octets of payload, as they are on the wire. */
  readonly length: number;
  /** The masking key, eight hex digits; null for an unmasked frame. */
  readonly mask: string | null;
  /** Hex digits of at most the first 64 octets of payload, unmasked (compressed when RSV1 says so). */
  readonly hex: string;
  /** The same octets as text, where they are UTF-8 and printable; null where not. */
  readonly text: string | null;
  /** In close frames: the close code and the reason; null where there is none. */
  readonly closeCode: number | null;
  readonly closeReason: string | null;
}

/** Anything else in the log: `tcp` connected, ended, reset; `http` heads; `note` what we did and why (pauses, limits, chops). */
export interface TracedRemark {
  readonly kind: 'tcp' | 'http' | 'note';
  readonly at: number;
  readonly direction: 'in' | 'out' | null;
  readonly text: string;
}

export type TraceEntry = TracedFrame | TracedRemark;

/** Ours. */
export interface CaseDetails {
  /** The group that the case belongs to, as in `7.1`; of cases with two numbers the first, as in `2`. */
  readonly group: string;
  /** Both directions in the order of time. At most 256 entries: of more the first and the last 128, with a note between. */
  readonly trace: readonly TraceEntry[];
  /** How many entries were left out of `trace`. */
  readonly traceOmitted: number;
  /** One sentence for people, why the case is neither OK nor INFORMATIONAL; null when it is. */
  readonly failure: string | null;
  /** How the peer broke the protocol towards us, with the section; null when it did not. */
  readonly violation: string | null;
  /** The agreement about permessage-deflate as it stood in the response; null without one. */
  readonly extensions: string | null;
}
