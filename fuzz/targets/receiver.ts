import { createRequire } from 'node:module';
import { Receiver } from '../../src/compat/receiver.ts';
import { choose, chunksOf, demand, type Target } from '../case.ts';
import { mutateCase, rulesOf } from './frame.ts';
import { frameSeeds } from './frame-seeds.ts';

type Options = NonNullable<ConstructorParameters<typeof Receiver>[0]>;
interface Writable {
  on(event: string, listener: (...args: never[]) => void): unknown;
  _write(chunk: Buffer, encoding: string, callback: (error?: Error | null) => void): void;
}

const { Receiver: WsReceiver } = createRequire(import.meta.url)('ws') as {
  Receiver: new (options: Options) => Writable;
};

/** Returns the events of a Receiver up to its end or its first error. */
function tell(receiver: Writable, chunks: readonly Buffer[]): string[] {
  const log: string[] = [];
  const hex = (data: Buffer | Buffer[]): string =>
    Array.isArray(data) ? data.map(hex).join(',') : data.toString('hex');
  receiver.on('message', (data: Buffer | Buffer[], isBinary: boolean) => log.push(`message ${isBinary} ${hex(data)}`));
  receiver.on('ping', (data: Buffer) => log.push(`ping ${hex(data)}`));
  receiver.on('pong', (data: Buffer) => log.push(`pong ${hex(data)}`));
  let isOver = false;
  receiver.on('conclude', (code: number, reason: Buffer) => {
    log.push(`conclude ${code} ${hex(reason)}`);
    isOver = true;
  });
  for (const chunk of chunks) {
    if (isOver) break;
    // Not write(), which reports the error a tick later.
    receiver._write(chunk, 'buffer', (error) => {
      if (error === null || error === undefined) return;
      const { code, message } = error as Error & { code?: string };
      log.push(`error ${code} ${message}`);
      isOver = true;
    });
  }
  return log;
}

export const receiver: Target = {
  name: 'receiver',
  title: 'The Receivers of ws and goodwire emit the same events, except for the differences in docs/ws-differences.md',

  seeds: () => frameSeeds(4),

  mutate: mutateCase,

  run(given) {
    const { role, maxPayload, maxFragments } = rulesOf(given.config);
    const options: Options = {
      isServer: role === 'server',
      maxPayload,
      maxFragments,
      maxBufferedChunks: choose(given.config, 5, [0, 0, 5, 1]),
      skipUTF8Validation: choose(given.config, 7, [false, false, true]),
      binaryType: choose(given.config, 8, ['nodebuffer', 'fragments']),
    };
    // ws counts empty chunks, which no network delivers.
    const chunks = () => chunksOf(given).filter(({ length }) => length > 0);
    const ours = tell(new Receiver(options), chunks());
    const theirs = tell(new WsReceiver(options), chunks());
    const [last = ''] = ours.slice(-1);
    if (ours.join('\n') !== theirs.join('\n')) {
      // goodwire rejects at the first invalid octet, whereas ws waits for the end of the message, of the length, or of
      // the payload.
      const isEarlier =
        /^error WS_ERR_(INVALID_UTF8|UNSUPPORTED_DATA_PAYLOAD_LENGTH|TOO_MANY_BUFFERED_PARTS) /.test(last) &&
        ours.slice(0, -1).every((line, i) => line === theirs[i]);
      demand(isEarlier, 'both emit the same events', [ours, theirs]);
      return 'refused earlier';
    }
    return `${ours.length > 4} ${last.slice(0, 45)}`;
  },
};
