/**
 * Rows of the tables. To add a row, add it here. To add a kind, add a module to `measure/` and list it in `run.js`.
 *
 * @typedef {import('./measure/server.js').EchoRow | import('./measure/server.js').ConnectRow |
 *   import('./measure/server.js').DeflateRow
 *   | import('./measure/idle.js').IdleRow | import('./measure/client.js').ClientRow
 *   | import('./measure/fanout.js').FanoutRow} Work
 *
 * @typedef {object} Also a further line of the same measurement
 * @property {string} title
 * @property {string} field the name in `Sample.also`
 * @property {Goals} [goals]
 *
 * @typedef {Readonly<Record<string, number>>} Goals by contestant: minimum ratio of its cost to ours; for the floor,
 *   maximum ratio of our cost to its cost
 *
 * @typedef {object} RowHead
 * @property {string} id for `--rows`
 * @property {string} title
 * @property {'servers' | 'compressed' | 'fanout' | 'clients'} table
 * @property {Goals} [goals]
 * @property {readonly Also[]} [also]
 * @property {number} [maxRounds]
 *
 * @typedef {RowHead & Work} Row
 */

/** @returns {Row[]} echo of JSON-like text, compressed in both directions */
function deflateRows() {
  /** @type {readonly (readonly [size: number, label: string, depth: number, goal: number | undefined])[]} */
  const sizes = [
    [100, '100 B', 32, undefined],
    [1024, '1 KiB', 32, 3],
    [16_384, '16 KiB', 8, undefined],
    [262_144, '256 KiB', 1, undefined],
  ];
  /** @type {Row[]} */
  const made = [];
  for (const context of /** @type {const} */ (['none', 'takeover'])) {
    const isShared = context === 'none';
    for (const [size, label, depth, goal] of sizes) {
      made.push({
        id: `deflate-${label.replace(' ', '').replace('KiB', 'k').replace('B', '')}${isShared ? '' : '-takeover'}`,
        title: `echo ${label} JSON, ${isShared ? 'no' : 'with'} takeover, 32 × ${depth}`,
        table: 'compressed',
        kind: 'deflate',
        size,
        context,
        connections: 32,
        depth,
        ...(goal !== undefined && { goals: { ws: isShared ? goal : 2 } }),
      });
    }
    if (isShared) {
      made.push({
        id: 'deflate-16k-level',
        title: 'the same, 16 KiB, 32 × 8, each with its own default level: ws 6, goodwire 1',
        table: 'compressed',
        kind: 'deflate',
        size: 16_384,
        context,
        level: 'default',
        connections: 32,
        depth: 8,
      });
    }
    made.push({
      id: `deflate-single${isShared ? '' : '-takeover'}`,
      title: `echo 1 KiB JSON, ${isShared ? 'no' : 'with'} takeover, 1 × 1`,
      table: 'compressed',
      kind: 'deflate',
      size: 1024,
      context,
      connections: 1,
      depth: 1,
      also: [{ title: 'the same, µs for a round trip', field: 'trip', goals: { ws: 3 } }],
    });
  }
  return made;
}

/** @type {readonly Row[]} */
export const rows = [
  {
    id: 'echo-125',
    title: 'echo 125 B binary, 64 conns × 32 in flight',
    table: 'servers',
    kind: 'echo',
    message: { size: 125, content: 'binary' },
    connections: 64,
    depth: 32,
    goals: { ws: 5 },
  },
  {
    id: 'echo-16',
    title: 'echo 16 B binary, 64 × 32',
    table: 'servers',
    kind: 'echo',
    message: { size: 16, content: 'binary' },
    connections: 64,
    depth: 32,
  },
  {
    id: 'echo-1k',
    title: 'echo 1 KiB binary, 64 × 32',
    table: 'servers',
    kind: 'echo',
    message: { size: 1024, content: 'binary' },
    connections: 64,
    depth: 32,
  },
  {
    id: 'text-125',
    title: 'echo 125 B text, as received, 64 × 32',
    table: 'servers',
    kind: 'echo',
    message: { size: 125, content: 'ascii' },
    connections: 64,
    depth: 32,
    goals: { ws: 5 },
  },
  {
    id: 'string-125',
    title: 'echo 125 B text as string, 64 × 32',
    table: 'servers',
    kind: 'echo',
    message: { size: 125, content: 'ascii' },
    deliver: 'string',
    connections: 64,
    depth: 32,
    goals: { ws: 5 },
  },
  {
    id: 'ping-16',
    title: 'automatic pong to a ping of 16 B, 64 × 32',
    table: 'servers',
    kind: 'echo',
    message: { size: 16, content: 'ping' },
    connections: 64,
    depth: 32,
  },
  {
    id: 'single-125',
    title: 'echo 125 B binary, 64 × 1, one at a time',
    table: 'servers',
    kind: 'echo',
    message: { size: 125, content: 'binary' },
    connections: 64,
    depth: 1,
    goals: { ws: 1.3, 'raw net': 1.25 },
  },
  {
    id: 'binary-16k',
    title: 'echo 16 KiB binary, 16 × 4',
    table: 'servers',
    kind: 'echo',
    message: { size: 16384, content: 'binary' },
    connections: 16,
    depth: 4,
    goals: { ws: 3, 'ws+bufferutil': 1.1 },
  },
  {
    id: 'binary-16k-deep',
    title: 'echo 16 KiB binary, 64 × 32',
    table: 'servers',
    kind: 'echo',
    message: { size: 16384, content: 'binary' },
    connections: 64,
    depth: 32,
    goals: { ws: 3, 'ws+bufferutil': 1.1 },
  },
  {
    id: 'text-64k',
    title: 'echo 64 KiB multi-byte text, as received, 64 × 1',
    table: 'servers',
    kind: 'echo',
    message: { size: 65536, content: 'multibyte' },
    connections: 64,
    depth: 1,
  },
  {
    id: 'string-64k',
    title: 'echo 64 KiB multi-byte text as string, 64 × 1',
    table: 'servers',
    kind: 'echo',
    message: { size: 65536, content: 'multibyte' },
    deliver: 'string',
    connections: 64,
    depth: 1,
  },
  {
    id: 'binary-1m',
    title: 'echo 1 MiB binary, 1 × 1',
    table: 'servers',
    kind: 'echo',
    message: { size: 1048576, content: 'binary' },
    connections: 1,
    depth: 1,
    goals: { ws: 3, 'ws+bufferutil': 1 },
  },
  {
    id: 'binary-1m-4',
    title: 'echo 1 MiB binary, 4 × 1',
    table: 'servers',
    kind: 'echo',
    message: { size: 1048576, content: 'binary' },
    connections: 4,
    depth: 1,
    goals: { ws: 3, 'ws+bufferutil': 1 },
  },
  {
    id: 'connect',
    title: 'connect, handshake, echo, close; 64 at a time',
    table: 'servers',
    kind: 'connect',
    message: { size: 125, content: 'binary' },
    slots: 64,
    goals: { ws: 1.3 },
  },
  {
    id: 'idle',
    title: 'idle connection at 10 000, bytes of RSS',
    table: 'servers',
    kind: 'idle',
    connections: 10_000,
    goals: { ws: 1 / 0.75 },
    also: [{ title: 'the same, bytes of heap in use', field: 'heap' }],
    maxRounds: 3,
  },
  ...deflateRows(),
  {
    id: 'deflate-idle',
    title: 'connection after one message of 1 KiB, 5 000, no takeover, bytes of RSS',
    table: 'compressed',
    kind: 'idle',
    connections: 5000,
    context: 'none',
    goals: { ws: 10 },
    also: [{ title: 'the same, bytes of heap in use', field: 'heap' }],
    maxRounds: 2,
  },
  {
    id: 'deflate-idle-takeover',
    title: 'the same, with takeover, 2 000',
    table: 'compressed',
    kind: 'idle',
    connections: 2000,
    context: 'takeover',
    also: [{ title: 'the same, bytes of heap in use', field: 'heap' }],
    maxRounds: 2,
  },
  {
    id: 'fanout-1',
    title: '100 B to 1 000 subscribers, 1 in flight, per delivery',
    table: 'fanout',
    kind: 'fanout',
    size: 100,
    subscribers: 1000,
    publishers: 1,
    depth: 1,
    variants: 1,
    goals: { ws: 1 },
  },
  {
    id: 'fanout-4',
    title: '100 B to 1 000 subscribers, 4 in flight, per delivery',
    table: 'fanout',
    kind: 'fanout',
    size: 100,
    subscribers: 1000,
    publishers: 1,
    depth: 4,
    variants: 1,
    goals: { ws: 5 },
  },
  {
    id: 'fanout-16',
    title: '100 B to 1 000 subscribers, 16 in flight, per delivery',
    table: 'fanout',
    kind: 'fanout',
    size: 100,
    subscribers: 1000,
    publishers: 1,
    depth: 16,
    variants: 1,
    goals: { ws: 15 },
  },
  {
    id: 'fanout-chat',
    title: '100 B from 32 publishers to 200 subscribers, per delivery',
    table: 'fanout',
    kind: 'fanout',
    size: 100,
    subscribers: 200,
    publishers: 32,
    depth: 1,
    variants: 1,
    goals: { ws: 15 },
  },
  {
    id: 'fanout-variants',
    title: '100 B to 1 000 subscribers in 10 variants, 16 in flight, per delivery',
    table: 'fanout',
    kind: 'fanout',
    size: 100,
    subscribers: 1000,
    publishers: 1,
    depth: 16,
    variants: 10,
    goals: { ws: 15 },
  },
  {
    id: 'client-receive-125',
    title: 'client receives 125 B binary',
    table: 'clients',
    kind: 'receive',
    message: { size: 125, content: 'binary' },
    batch: 1,
  },
  {
    id: 'client-send-125',
    title: 'client sends 125 B binary, 32 per turn',
    table: 'clients',
    kind: 'send',
    message: { size: 125, content: 'binary' },
    batch: 32,
  },
  {
    id: 'client-send-64k',
    title: 'client sends 64 KiB binary, 4 per turn',
    table: 'clients',
    kind: 'send',
    message: { size: 65536, content: 'binary' },
    batch: 4,
  },
  {
    id: 'client-send-text-64k',
    title: 'client sends 64 KiB multi-byte string, 4 per turn',
    table: 'clients',
    kind: 'send',
    message: { size: 65536, content: 'multibyte' },
    batch: 4,
  },
];

/** Rows that `--against REF` measures by default: one for each code path that most programs use. */
export const evenRows = [
  'echo-125',
  'echo-16',
  'echo-1k',
  'text-125',
  'string-125',
  'ping-16',
  'single-125',
  'binary-16k',
  'text-64k',
  'string-64k',
  'binary-1m',
  'connect',
  'idle',
  'deflate-1k',
  'deflate-1k-takeover',
  'fanout-16',
  'client-receive-125',
  'client-send-125',
];
