/**
 * Result of one case: the content of its JSON file, and the source of the HTML report.
 *
 * The fields of `AutobahnCaseReport` have the names and meanings of Autobahn's JSON reports, so that programs for those
 * can read ours. Additional data is in one field, `goodwire` (`CaseDetails`).
 */
export interface CaseResult extends AutobahnCaseReport {
  /** Data that Autobahn's reports do not have. */
  readonly goodwire: CaseDetails;
}

/** Assessment of the data that a peer sent. */
export type Behavior = 'OK' | 'NON-STRICT' | 'INFORMATIONAL' | 'UNIMPLEMENTED' | 'FAILED';

/**
 * Assessment of the end of the connection. UNCLEAN: a closing handshake was required but not completed. WRONG CODE: it
 * was completed with a close code that is invalid here. FAILED BY CLIENT: the server left closing the TCP connection to
 * the client.
 */
export type CloseBehavior = Behavior | 'UNCLEAN' | 'WRONG CODE' | 'FAILED BY CLIENT';

/**
 * Event that occurred, or was expected. Text payloads are unchanged; binary payloads are hex digits. Both are cut after
 * 1024 characters, followed by ` … (N octets)`. `timeout`: the wait with that name passed. `roundtrips`, which Autobahn
 * does not have: number of messages that came back unchanged.
 */
export type ReportedEvent =
  | readonly ['message', payload: string, isBinary: boolean]
  | readonly ['ping' | 'pong', payload: string]
  | readonly ['timeout', name: string]
  | readonly ['roundtrips', count: number];

/** Expected end of the connection. `closeCode`: any of these codes, or none. */
export interface ExpectedClose {
  readonly closedByMe: boolean;
  readonly closeCode: readonly number[];
  readonly requireClean: boolean;
}

/** Octets on the wire, `[length, hex digits]`: at most the first 64 octets, then ` ...` if there are more. */
export type LoggedOctets = readonly [length: number, hex: string];

/** Payload, `[length, text or hex digits]`, cut like `LoggedOctets`. */
export type LoggedPayload = readonly [length: number, text: string];

/**
 * Entry of Autobahn's wire log. RO/TO: octets received/transmitted. RF/TF: a frame received/transmitted. KL: we will
 * close TCP after this number of seconds; KLE: we did. TI: we will close after this number of seconds; TIE: we did.
 * CT/CTE: a pause begins/ends. WLM: a remark.
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

/** Numbers of octets, frames and messages of one connection, with Autobahn's names. */
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

/** Autobahn's report of a case. `me` is the testing side; `remote` is the peer under test. */
export interface AutobahnCaseReport {
  /** Position of the case in the whole catalogue, starting at 1. */
  readonly case: number;
  /** Id such as `7.1.6`. */
  readonly id: string;
  readonly description: string;
  readonly expectation: string;
  /** Name of the peer under test. */
  readonly agent: string;

  readonly behavior: Behavior;
  readonly behaviorClose: CloseBehavior;
  /** Reason for `behavior`, in words. */
  readonly result: string;
  /** Reason for `behaviorClose`, in words. */
  readonly resultClose: string;

  /** Milliseconds from the beginning of the opening handshake to the end of the connection. */
  readonly duration: number;
  /** ISO 8601, UTC. */
  readonly started: string;
  /** True if the case measures its duration. */
  readonly reportTime: boolean;
  /** True if the compression ratio is relevant. */
  readonly reportCompressionRatio: boolean;

  /** Expected events, grouped by the behavior that they prove. */
  readonly expected: Readonly<Partial<Record<Behavior, readonly ReportedEvent[]>>>;
  readonly expectedClose: ExpectedClose;
  /** Received events, at most the first 100. */
  readonly received: readonly ReportedEvent[];

  /** True if we were the server. */
  readonly isServer: boolean;
  /** True if we sent the first close frame, or gave up first. */
  readonly closedByMe: boolean;
  /** True if we failed the connection, because the peer broke the protocol or did not answer. */
  readonly failedByMe: boolean;
  /** True if we closed the TCP connection. */
  readonly droppedByMe: boolean;
  /** True if both close frames were exchanged before the TCP connection ended. */
  readonly wasClean: boolean;
  readonly wasNotCleanReason: string | null;
  readonly wasServerConnectionDropTimeout: boolean;
  readonly wasOpenHandshakeTimeout: boolean;
  readonly wasCloseHandshakeTimeout: boolean;
  readonly localCloseCode: number | null;
  readonly localCloseReason: string | null;
  readonly remoteCloseCode: number | null;
  readonly remoteCloseReason: string | null;

  /** Heads of the opening handshake as sent on the wire, including `\r\n`; empty if not reached. */
  readonly httpRequest: string;
  readonly httpResponse: string;

  readonly createStats: boolean;
  readonly createWirelog: boolean;
  /** Number of reads (and below writes) by their length in octets. */
  readonly rxOctetStats: Readonly<Record<string, number>>;
  readonly txOctetStats: Readonly<Record<string, number>>;
  /** Number of received (and below sent) frames by opcode. */
  readonly rxFrameStats: Readonly<Record<string, number>>;
  readonly txFrameStats: Readonly<Record<string, number>>;
  readonly trafficStats: TrafficStats | null;
  /** At most 256 entries: the first and the last 128 of a longer log, with a remark between them. */
  readonly wirelog: readonly WireLogEntry[];
}

/** Frame on the wire, in the log of the report. */
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
  /** Length of the payload on the wire in octets. */
  readonly length: number;
  /** Masking key as eight hex digits; null for an unmasked frame. */
  readonly mask: string | null;
  /** Hex digits of at most the first 64 octets of payload, unmasked (compressed if RSV1 is set). */
  readonly hex: string;
  /** The same octets as text if they are printable UTF-8; otherwise null. */
  readonly text: string | null;
  /** Close code and reason of a close frame; null if absent. */
  readonly closeCode: number | null;
  readonly closeReason: string | null;
}

/**
 * Other entry of the log. `tcp`: connected, ended, reset. `http`: heads. `note`: our actions and their reasons (pauses,
 * limits, chops).
 */
export interface TracedRemark {
  readonly kind: 'tcp' | 'http' | 'note';
  readonly at: number;
  readonly direction: 'in' | 'out' | null;
  readonly text: string;
}

export type TraceEntry = TracedFrame | TracedRemark;

/** Data that Autobahn's reports do not have. */
export interface CaseDetails {
  /** Group of the case, such as `7.1`; for cases with two numbers the first, such as `2`. */
  readonly group: string;
  /**
   * Both directions in chronological order. At most 256 entries: the first and the last 128 of more, with a note
   * between them.
   */
  readonly trace: readonly TraceEntry[];
  /** Number of entries omitted from `trace`. */
  readonly traceOmitted: number;
  /** Reason why the case is neither OK nor INFORMATIONAL, in one sentence; otherwise null. */
  readonly failure: string | null;
  /** Protocol violation of the peer, with the section; null without one. */
  readonly violation: string | null;
  /** permessage-deflate parameters of the response; null without an agreement. */
  readonly extensions: string | null;
}
