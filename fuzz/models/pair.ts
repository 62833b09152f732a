import fc from 'fast-check';
import { Connection } from '../../src/connection/connection.ts';
import type { DeflateAgreement } from '../../src/extension/deflate-negotiation.ts';
import { demand } from '../case.ts';

/** One end of the connection. */
export type Side = 'client' | 'server';
const other = (side: Side): Side => (side === 'client' ? 'server' : 'client');
const sides: readonly Side[] = ['client', 'server'];

/** State that the applications can observe: the events sent, and whether more may be sent. */
interface Model {
  readonly said: Record<Side, string[]>;
  readonly heard: Record<Side, string[]>;
  /** Fragmented message that is being sent. */
  readonly begun: Record<Side, { isBinary: boolean; parts: string[] } | null>;
  /** True if no close frame was sent or received. */
  readonly isOpen: Record<Side, boolean>;
  readonly hasSentClose: Record<Side, boolean>;
  /** True if the stream to this side has ended, or brought a close frame. */
  readonly isDeaf: Record<Side, boolean>;
}

/** Two connections, and the bytes in transit between them. */
export interface Pair {
  readonly ends: Record<Side, Connection>;
  /** Bytes in transit, by their recipient. */
  readonly wire: Record<Side, Buffer>;
  /** Events received but not yet checked. */
  readonly told: Record<Side, string[]>;
}

const shownClose = (code: number, reason: string): string => `close ${code} ${reason}`;

function hear(model: Model, pair: Pair, side: Side): void {
  for (const event of pair.told[side].splice(0)) {
    const heard = model.heard[side];
    const expected = model.said[other(side)][heard.length];
    demand(event === expected, `the ${side} receives the events sent, in order`, [event, expected]);
    demand(!model.isDeaf[side], `the ${side} receives nothing after the end`, event);
    heard.push(event);
    const [kind, ...rest] = event.split(' ');
    if (kind === 'ping' && model.isOpen[side]) model.said[side].push(`pong ${rest.join(' ')}`);
    if (kind === 'close') {
      // A close frame is answered with the same code, unless ours was sent before.
      if (!model.hasSentClose[side]) model.said[side].push(event);
      model.hasSentClose[side] = true;
      model.isOpen[side] = false;
      model.isDeaf[side] = true;
    }
  }
}

/** Moves the output of an end to the wire. */
function collect(pair: Pair, side: Side): void {
  const to = other(side);
  pair.wire[to] = Buffer.concat([pair.wire[to], pair.ends[side].takeOutgoing()]);
}

function deliver(pair: Pair, side: Side, count: number): void {
  const octets = pair.wire[side];
  pair.wire[side] = octets.subarray(count);
  if (count > 0) pair.ends[side].receive(Buffer.from(octets.subarray(0, count)));
  collect(pair, side);
}

type Step = fc.Command<Model, Pair>;

/** Creates a command from its text, precondition and action. */
function step(text: string, may: (model: Model) => boolean, act: (model: Model, pair: Pair) => void): Step {
  return {
    check: may,
    run: (model, pair) => {
      act(model, pair);
      for (const side of sides) hear(model, pair, side);
    },
    toString: () => text,
  };
}

const side = fc.constantFrom<Side>('client', 'server');
const text = fc.oneof(
  fc.constantFrom('', 'a', 'Hello', 'κόσμε', 'x'.repeat(126), 'compressible '.repeat(100)),
  fc.string({ maxLength: 20, unit: 'grapheme' }),
);

const steps: fc.Arbitrary<Step>[] = [
  fc.tuple(side, text, fc.boolean(), fc.boolean()).map(([from, payload, isBinary, fin]) =>
    step(
      `${from}.send(${JSON.stringify(payload)}${isBinary ? ', binary' : ''}${fin ? '' : ', more follows'})`,
      (model) => model.isOpen[from],
      (model, pair) => {
        pair.ends[from].send(isBinary ? Buffer.from(payload) : payload, isBinary, fin);
        const message = model.begun[from] ?? { isBinary, parts: [] };
        message.parts.push(payload);
        model.begun[from] = fin ? null : message;
        if (fin) model.said[from].push(`${message.isBinary ? 'binary' : 'text'} ${message.parts.join('')}`);
        collect(pair, from);
      },
    ),
  ),
  fc.tuple(side, fc.string({ maxLength: 10 })).map(([from, payload]) =>
    step(
      `${from}.ping(${JSON.stringify(payload)})`,
      (model) => model.isOpen[from],
      (model, pair) => {
        pair.ends[from].ping(Buffer.from(payload));
        model.said[from].push(`ping ${payload}`);
        collect(pair, from);
      },
    ),
  ),
  fc
    .tuple(side, fc.constantFrom(undefined, 1000, 1001, 3000, 4999), fc.constantFrom('', 'bye'))
    .map(([from, code, reason]) =>
      step(
        `${from}.close(${[code, code === undefined ? undefined : JSON.stringify(reason)].filter((one) => one !== undefined)})`,
        () => true,
        (model, pair) => {
          if (code === undefined) pair.ends[from].close();
          else pair.ends[from].close(code, reason);
          if (model.isOpen[from])
            model.said[from].push(code === undefined ? shownClose(1005, '') : shownClose(code, reason));
          model.hasSentClose[from] = true;
          model.isOpen[from] = false;
          collect(pair, from);
        },
      ),
    ),
  // The network splits, merges and delays: some bytes arrive, or all, or one by one.
  fc.tuple(side, fc.integer({ min: 1, max: 40 })).map(([to, count]) =>
    step(
      `${count} octets reach the ${to}`,
      () => true,
      (_model, pair) => deliver(pair, to, Math.min(count, pair.wire[to].length)),
    ),
  ),
  side.map((to) =>
    step(
      `everything in transit reaches the ${to}`,
      () => true,
      (_model, pair) => deliver(pair, to, pair.wire[to].length),
    ),
  ),
  side.map((to) =>
    step(
      `everything in transit reaches the ${to}, octet by octet`,
      () => true,
      (_model, pair) => {
        for (let left = pair.wire[to].length; left > 0; left--) deliver(pair, to, 1);
      },
    ),
  ),
];

const cut = side.map((to) =>
  step(
    `the stream to the ${to} is cut`,
    () => true,
    (model, pair) => {
      pair.wire[to] = Buffer.alloc(0);
      pair.ends[to].receiveEnd();
      model.isDeaf[to] = true;
      model.isOpen[to] = false;
      model.hasSentClose[to] = true;
    },
  ),
);

const noContext: DeflateAgreement = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};
const agreements = [
  undefined,
  noContext,
  { ...noContext, serverNoContextTakeover: false, clientNoContextTakeover: false },
];

/** Creates an end. A test passes a broken one. */
export type MakeEnd = (...parameters: ConstructorParameters<typeof Connection>) => Connection;

function setUp(makeEnd: MakeEnd, agreement: DeflateAgreement | undefined): { model: Model; real: Pair } {
  const both = <T>(make: (side: Side) => T): Record<Side, T> => ({ client: make('client'), server: make('server') });
  const told = both((): string[] => []);
  const ends = both((role) =>
    makeEnd(
      { role, ...(agreement !== undefined && { deflate: { agreement, threshold: 0 } }) },
      {
        message: (data, isBinary) => void told[role].push(`${isBinary ? 'binary' : 'text'} ${String(data)}`),
        ping: (payload) => void told[role].push(`ping ${payload}`),
        pong: (payload) => void told[role].push(`pong ${payload}`),
        closeReceived: (code, reason) => void told[role].push(shownClose(code, String(reason))),
        failure: (error) => void told[role].push(`failure ${error.message}`),
      },
    ),
  );
  return {
    model: {
      said: both(() => []),
      heard: both(() => []),
      begun: both(() => null),
      isOpen: both(() => true),
      hasSentClose: both(() => false),
      isDeaf: both(() => false),
    },
    real: { ends, wire: both(() => Buffer.alloc(0)), told },
  };
}

/**
 * Delivers all bytes in transit, and checks that each end has received all events of the other, unless its stream has
 * ended or was cut.
 */
function settle(model: Model, pair: Pair): void {
  for (let round = 0; round < 4; round++) {
    for (const to of sides) {
      deliver(pair, to, pair.wire[to].length);
      for (const side of sides) hear(model, pair, side);
    }
  }
  for (const to of sides) {
    if (model.isDeaf[to]) continue;
    demand(
      model.heard[to].length === model.said[other(to)].length,
      `the ${to} receives all events sent`,
      model.said[other(to)],
    );
  }
}

/**
 * Two applications that send, ping and close at random, and a network that delivers at random, against a model of the
 * events that the applications can observe. A failure shrinks to a readable script.
 */
export function pairProperty(
  makeEnd: MakeEnd = (...given) => new Connection(...given),
): fc.IProperty<[number, Iterable<Step>]> {
  const commands = fc.commands([...steps, ...steps, cut], { maxCommands: 40, size: 'max' });
  return fc.property(fc.nat(agreements.length - 1), commands, (agreement, script) => {
    const parts = setUp(makeEnd, agreements[agreement]);
    try {
      fc.modelRun(() => parts, script);
      settle(parts.model, parts.real);
    } finally {
      for (const side of sides) parts.real.ends[side].receiveEnd();
    }
  });
}
