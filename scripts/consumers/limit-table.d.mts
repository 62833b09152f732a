/** One cell of the table: `run` rejects if the limit does not hold. */
export interface Cell {
  readonly title: string;
  readonly row: Row;
  readonly way: (typeof ways)[number];
  readonly state: (typeof states)[number];
  run(): Promise<void>;
}

/** A limit, and a stage of a connection. `outcome` returns a reason in words if a cell does not exist. */
export interface Row {
  readonly limit: string;
  readonly stage: string;
  outcome(way: Cell['way'], state: Cell['state']): object | string;
}

export declare const states: readonly [
  'before it listens',
  'while it listens',
  'after close(), with a client connected',
  'in the first callback of close()',
  'after the last callback of close()',
];
export declare const ways: readonly ['port', 'server', 'noServer', 'upgrade()'];
export declare const rows: readonly Row[];
export declare function cellsOf(library: object): Cell[];
