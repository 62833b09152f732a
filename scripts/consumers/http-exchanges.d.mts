/** The package, however it is loaded: as `goodwire`, or from src/ by a test. */
export type Library = object;

/** Requests of a client, and the answers of a server. */
export interface ServerRow {
  readonly title: string;
  /** In latin1. */
  readonly sent: string;
  readonly answered: readonly string[];
  readonly isSplit?: boolean;
}

export interface Outcome {
  readonly answered: string[];
  /** Messages that the server has received. */
  readonly messages: string[];
}

/** How a server gets its upgrades. */
export type Mode = 'port' | 'server' | 'noServer' | 'noServer, a turn later' | 'upgrade()';

export const serverRows: readonly ServerRow[];
export const modes: readonly Mode[];
export const ways: readonly ['whole', 'octet by octet', 'by TCP'];
export function runServerRow(
  library: Library,
  row: ServerRow,
  mode: Mode,
  way: (typeof ways)[number] | number,
): Promise<Outcome>;
export function expectedOf(row: ServerRow, mode: Mode, found: Outcome): Outcome;
export function isFor(row: ServerRow, mode: Mode): boolean;
export function transcript(octets: Buffer): string[];
export function asking(more?: string, parts?: object): string;

/** Responses of a server, and the events of a client. */
export interface ClientRow {
  readonly title: string;
  readonly expected: readonly string[];
  readonly isSplit?: boolean;
}

export const clientRows: readonly ClientRow[];
export function runClientRow(
  library: Library,
  row: ClientRow,
  way: 'whole' | 'octet by octet' | number,
  options?: object,
): Promise<{ readonly events: string[]; readonly request: string }>;
