import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { kitFolder } from '../folders.ts';
import { Random } from '../random.ts';
import { answers } from './answers.ts';
import { misbehave, misbehaviours } from './peers.ts';

/** Remaining resources of a process at the end. */
export interface Report {
  readonly opened: number;
  readonly closed: number;
  /** Number of `close` events beyond the first of a socket, and below of other events after it. */
  readonly closedAgain: number;
  readonly afterClose: number;
  /** Number of open sockets. */
  readonly clients: number;
  /** Active resources of the event loop, by kind. */
  readonly resources: Readonly<Record<string, number>>;
  readonly heapUsed: number;
  readonly arrayBuffers: number;
  /** Uncaught exceptions and unhandled rejections. */
  readonly uncaught: readonly string[];
}

/** Process under attack by hostile peers. */
export interface Victim extends AsyncDisposable {
  readonly port: number;
  report(): Promise<Report>;
  /** Requests reports until nothing is open, or until a timeout. */
  settled(): Promise<Report>;
  tell(message: object): void;
}

/** Returns a function for the next message of a child process. The promise rejects if the process ends. */
function messagesOf(child: ChildProcess, program: string): () => Promise<unknown> {
  const gone = once(child, 'exit').then(() => {
    throw new Error(`${program} has ended unexpectedly`);
  });
  gone.catch(() => {});
  return async () => {
    const [message] = await Promise.race([once(child, 'message'), gone]);
    return message as unknown;
  };
}

/** Starts `server.js` or `client.js`, which use the build. */
export async function startVictim(program: 'server' | 'client'): Promise<Victim> {
  const child: ChildProcess = fork(join(kitFolder, 'hostile', `${program}.js`), [], { execArgv: ['--expose-gc'] });
  const next = messagesOf(child, `${program}.js`);
  const { port } = (await next()) as { port: number };
  const report = () => {
    child.send('report');
    return next() as Promise<Report>;
  };
  return {
    port,
    report,
    async settled() {
      let last = await report();
      for (let i = 0; i < 1200 && (last.clients > 0 || (last.resources.TCPSocketWrap ?? 0) > 0); i++) {
        await after(50);
        last = await report();
      }
      return last;
    },
    tell: (message) => child.send(message),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      const exit = once(child, 'exit');
      child.disconnect();
      await exit;
    },
  };
}

/** Measurements of a correct client. */
export interface Fared {
  /** Number of round trips. */
  readonly trips: number;
  /**
   * Maximum number of bytes of other connections that the server read between two replies, and below the maximum number
   * of connections.
   */
  readonly maxOctets: number;
  readonly maxConnections: number;
  /** Close code. */
  readonly code: number;
}

/** Starts `good.js`: a client that sends requests and waits for the replies until it is told to stop. */
export async function startGoodClient(port: number): Promise<{ stop(): Promise<Fared> }> {
  const child = fork(join(kitFolder, 'hostile', 'good.js'), [String(port)]);
  const next = messagesOf(child, 'good.js');
  await next();
  const fared = next();
  // The rejection is handled by the caller of stop().
  fared.catch(() => {});
  return {
    async stop() {
      child.send('stop');
      const faring = (await fared) as Fared;
      const exit = once(child, 'exit');
      child.disconnect();
      await exit;
      return faring;
    },
  };
}

/** Runs every misbehavior `rounds` times, up to 300 at once. */
export async function misbehaveAll(port: number, seed: number, rounds: number, size: number): Promise<number> {
  const random = new Random(seed);
  const jobs = Array.from({ length: rounds }, () => Object.values(misbehaviours)).flat();
  const total = jobs.length;
  const work = async () => {
    for (let job = jobs.pop(); job !== undefined; job = jobs.pop()) {
      await misbehave(port, job, new Random(random.next()), size);
    }
  };
  await Promise.all(Array.from({ length: 300 }, work));
  return total;
}

/** Starts a server with a malicious response for each path. */
export async function serveAnswers(seed: number): Promise<{ urls: string[]; close(): Promise<void> }> {
  const random = new Random(seed);
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let request = '';
    socket.on('data', function onData(chunk) {
      request += chunk.toString('latin1');
      if (!request.includes('\r\n\r\n')) return;
      socket.off('data', onData);
      socket.resume();
      const answer = answers[request.split(' ', 2)[1] ?? ''];
      void answer?.({
        socket,
        request,
        random: new Random(random.next()),
        port: (server.address() as AddressInfo).port,
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    urls: Object.keys(answers).map((path) => `ws://127.0.0.1:${port}${path}`),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const megabyte = 1_048_576;

/**
 * Compares the remaining resources with those before, and describes leaks. Only memory kept by pools is allowed
 * (docs/architecture.md).
 */
export function leftovers(before: Report, now: Report): string[] {
  const found: string[] = [];
  if (now.uncaught.length > 0) found.push(`uncaught: ${now.uncaught.join('; ')}`);
  if (now.clients > 0) found.push(`${now.clients} sockets are still open`);
  if (now.closed !== now.opened) found.push(`${now.opened} sockets were opened, but ${now.closed} emitted close`);
  if (now.closedAgain > 0) found.push(`${now.closedAgain} sockets closed more than once`);
  if (now.afterClose > 0) found.push(`${now.afterClose} events were emitted after close`);
  for (const [kind, count] of Object.entries(now.resources)) {
    const former = before.resources[kind] ?? 0;
    if (count > former) found.push(`${count} of ${kind} are left; ${former} before`);
  }
  if (now.heapUsed > before.heapUsed + 4 * megabyte)
    found.push(`the heap has grown from ${before.heapUsed} to ${now.heapUsed} bytes`);
  if (now.arrayBuffers > before.arrayBuffers + 8 * megabyte)
    found.push(`buffers have grown from ${before.arrayBuffers} to ${now.arrayBuffers} bytes`);
  return found;
}

/**
 * Maximum number of bytes of other connections before a reply. libuv reads a socket up to 32 times per turn of the
 * event loop, 64 KiB each. The reply is sent in the turn after next at the latest.
 */
export const maxOctetsBetween = (connections: number): number => (connections + 10) * 65_536 * 32 * 2;

/**
 * Runs rounds against a server and against clients until the time is over.
 * @returns The faults found; empty if there are none.
 */
export async function attack(options: {
  readonly seed: number;
  readonly size: number;
  /** Number of connections per misbehavior. */
  readonly peers: number;
  readonly goesOn: (round: number) => boolean;
  readonly onRound?: (text: string) => void;
}): Promise<string[]> {
  const { seed, size, peers, goesOn, onRound = () => {} } = options;
  await using server = await startVictim('server');
  await using clients = await startVictim('client');
  const hostile = await serveAnswers(seed);
  try {
    // The first round creates pools and compiles code, so that the comparison starts after it.
    const one = async (round: number): Promise<string[]> => {
      const good = await startGoodClient(server.port);
      clients.tell({ open: Array.from({ length: 3 }, () => hostile.urls).flat() });
      const connections = await misbehaveAll(server.port, seed + round, peers, size);
      const { trips, maxOctets, maxConnections, code } = await good.stop();
      onRound(
        `${connections} hostile connections, ${maxConnections} at once; a good client had ${trips} replies, each after at most ${maxOctets} bytes of other connections`,
      );
      const found: string[] = [];
      if (code !== 1005) found.push(`a good client was closed with ${code}`);
      if (trips < 5) found.push(`a good client had only ${trips} replies`);
      if (maxOctets > maxOctetsBetween(maxConnections))
        found.push(`a reply had to wait for ${maxOctets} bytes of other connections`);
      return found;
    };
    const found = await one(0);
    const before = { server: await server.settled(), clients: await clients.settled() };
    for (let round = 1; goesOn(round) && found.length === 0; round++) found.push(...(await one(round)));
    found.push(...leftovers(before.server, await server.settled()).map((text) => `server: ${text}`));
    found.push(...leftovers(before.clients, await clients.settled()).map((text) => `clients: ${text}`));
    return found;
  } finally {
    await hostile.close();
  }
}
