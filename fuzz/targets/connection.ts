import { Connection, type PeerError } from '../../src/connection/connection.ts';
import { choose, chunksOf, demand, type Target } from '../case.ts';
import { readWire, type WireFrame } from '../naive/frames.ts';
import { hear, type Told } from '../naive/messages.ts';
import { mutateCase, rulesOf } from './frame.ts';
import { frameSeeds } from './frame-seeds.ts';

/** Returns an event as text. */
export const described = (told: Told): string =>
  told.kind === 'message'
    ? `message ${told.isBinary} ${told.payload.toString('hex')}`
    : `${told.kind} ${told.kind === 'close' ? told.code : ''} ${told.payload.toString('hex')}`;

/** Returns the frames with which an endpoint must respond if it sends nothing itself. */
function owed(told: readonly Told[], closeCode: number | null): string[] {
  const frames = told.flatMap((one) => {
    if (one.kind === 'ping') return [`138 ${one.payload.toString('hex')}`];
    if (one.kind !== 'close') return [];
    const code = one.code === 1005 ? '' : one.code.toString(16).padStart(4, '0');
    return [`136 ${code}${one.payload.toString('hex')}`];
  });
  return closeCode === null ? frames : [...frames, `136 ${closeCode.toString(16).padStart(4, '0')}`];
}

export const connection: Target = {
  name: 'connection',
  title: 'Connection reports messages, pings and closes by the rules of §5–8, and sends only valid frames',

  seeds: () => frameSeeds(4),

  mutate: mutateCase,

  run(given) {
    const rules = { ...rulesOf(given.config), allowRsv1: false };
    const validates = choose(given.config, 5, [true, false]);
    const keepsFragments = choose(given.config, 6, [false, true]);
    const expected = hear(given.octets, rules, validates);

    const told: Told[] = [];
    const failures: PeerError[] = [];
    const peer = new Connection(
      { ...rules, skipUTF8Validation: !validates },
      {
        message: (data, isBinary) => {
          const payload = Buffer.concat(Array.isArray(data) ? data : [data as Buffer]);
          told.push({ kind: 'message', payload, isBinary, isCompressed: false });
        },
        ping: (payload) => told.push({ kind: 'ping', payload }),
        pong: (payload) => told.push({ kind: 'pong', payload }),
        closeReceived: (code, reason) => told.push({ kind: 'close', code, payload: reason }),
        failure: (error) => failures.push(error),
      },
    );
    peer.keepsFragments = keepsFragments;
    for (const chunk of chunksOf(given)) {
      demand(peer.receive(chunk) === chunk.length, 'a connection that is not suspended consumes the whole chunk');
    }
    const [failure] = failures;
    demand(failures.length <= 1, 'a connection fails once');
    demand((failure?.code ?? null) === expected.error, 'the first broken rule fails the connection', [
      failure?.code,
      expected.error,
    ]);
    const [is, ought] = [told, expected.told].map((list) => list.map(described).join('\n'));
    demand(is === ought, 'the events are those received', [is, ought]);

    const outgoing = readWire(peer.takeOutgoing());
    demand(outgoing.rest.length === 0, 'only whole frames are sent');
    outgoing.frames.forEach((frame: WireFrame) => {
      demand(frame.isMasked === (rules.role === 'client'), 'a client masks, a server does not');
      demand(frame.form === 7 && frame.payload.length <= 125, 'control frames are short');
    });
    const sent = outgoing.frames.map(({ first, payload }) => `${first} ${payload.toString('hex')}`);
    const due = owed(expected.told, failure?.closeCode ?? null);
    demand(sent.join('\n') === due.join('\n'), 'each ping has a pong, and a close frame its echo', [sent, due]);
    return `${expected.error} ${expected.told
      .map(({ kind }) => kind[0])
      .join('')
      .slice(0, 6)} ${peer.state}`;
  },
};
