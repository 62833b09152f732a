import { createServer, type Server, type Socket } from 'node:net';
import type { CaseDefinition } from '../cases/case-definition.ts';
import { catalogue } from '../cases/catalogue.ts';
import type { CaseResult } from '../report/case-result.ts';
import { Recorder } from '../session/recorder.ts';
import { Session } from '../session/session.ts';
import { acceptDeflate } from '../wire/deflate-agreement.ts';
import { OpeningError } from '../wire/http-head.ts';
import { checkRequest, type OpeningTarget, openingResponse, refusal } from '../wire/opening.ts';
import { type ReadHead, readHead } from '../wire/read-head.ts';
import { defaultPatience, type Heads, type Opened, type RunOptions, runCase } from './run-case.ts';

export interface FuzzingServerOptions {
  /** Address to listen on. Port 0 is any free port. */
  readonly host?: string;
  readonly port: number;
  /** Default: the whole catalogue. */
  readonly cases?: readonly CaseDefinition[];
  /** Name of clients that do not send one. */
  readonly agent?: string;
  /** Maximum time for an answer of the client in milliseconds. Default 3000. */
  readonly patience?: number;
  /** Maximum duration of each case in milliseconds, even if the case allows more. */
  readonly timeLimit?: number;
  /** Called with each result when its case has ended. */
  readonly onResult?: (result: CaseResult) => void;
  /**
   * Called when a client requests the reports, with the results of its agent. The client waits until the promise
   * resolves.
   */
  readonly onUpdateReports?: (agent: string, results: readonly CaseResult[]) => void | Promise<void>;
}

/** Maximum number of connected clients, and of agents with results. More than any test needs. */
const maxConnections = 1000;
const maxAgents = 100;

/** Maximum time in milliseconds for a client to receive its refusal. */
const refusalLimit = 10_000;

/** Responds in HTTP, and ends the connection. */
function refuse(socket: Socket, status: string, why: string): void {
  if (socket.destroyed) return;
  socket.end(refusal(status, why));
  setTimeout(() => socket.destroy(), refusalLimit).unref();
}

/** Returns the text message for a request of a client, or null for none. A close frame follows. */
type Answer = (target: URL) => string | null | Promise<string | null>;

/**
 * Tests clients, which request cases by Autobahn's URLs: `/getCaseCount`, `/getCaseInfo?case=N`,
 * `/runCase?case=N&agent=NAME`, `/getCaseStatus?case=N&agent=NAME`, `/updateReports?agent=NAME`. N is the position
 * among the selected cases, starting at 1.
 */
export class FuzzingServer {
  readonly #options: FuzzingServerOptions;
  readonly #cases: readonly CaseDefinition[];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #results = new Map<string, Map<string, Promise<CaseResult>>>();
  readonly #answers: Readonly<Record<string, Answer>>;

  constructor(options: FuzzingServerOptions) {
    this.#options = options;
    this.#cases = options.cases ?? catalogue;
    this.#server = createServer((socket) => void this.#accept(socket));
    this.#server.maxConnections = maxConnections;
    this.#answers = {
      '/getCaseCount': () => String(this.#cases.length),
      '/getCaseInfo': (target) => {
        const { id, description } = this.#caseOf(target);
        return JSON.stringify({ id, description });
      },
      '/getCaseStatus': async (target) => {
        const result = await this.#results.get(this.#agentOf(target))?.get(this.#caseOf(target).id);
        return JSON.stringify({ behavior: result?.behavior ?? 'MISSING' });
      },
      '/updateReports': async (target) => {
        const agent = this.#agentOf(target);
        await options.onUpdateReports?.(agent, await this.results(agent));
        return null;
      },
    };
  }

  /** Starts listening, and returns the port. */
  listen(): Promise<number> {
    const { host = '127.0.0.1', port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject);
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  /** Stops listening. Destroys connections that have not ended after `grace` milliseconds. */
  async close(grace = 0): Promise<void> {
    const isClosed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const end = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, grace);
    await isClosed;
    clearTimeout(end);
  }

  /** Agents that have run a case. */
  get agents(): string[] {
    return [...this.#results.keys()];
  }

  /** Returns the results of an agent so far, in the order of the cases. Waits for running cases. */
  async results(agent: string): Promise<CaseResult[]> {
    const results = await Promise.all(this.#results.get(agent)?.values() ?? []);
    return results.toSorted((a, b) => a.case - b.case);
  }

  #agentOf(target: URL): string {
    return target.searchParams.get('agent') || (this.#options.agent ?? 'unnamed client');
  }

  #caseOf(target: URL): CaseDefinition {
    // Drivers for later versions of Autobahn send the id of the case.
    const id = target.searchParams.get('casetuple');
    const number = target.searchParams.get('case');
    const definition = id === null ? this.#cases[Number(number) - 1] : this.#cases.find((one) => one.id === id);
    if (definition === undefined) throw new OpeningError(`unknown case ${id ?? number}`);
    return definition;
  }

  async #accept(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    socket.setNoDelay(true);
    const recorder = new Recorder();
    try {
      const { patience = defaultPatience } = this.#options;
      const head = await readHead(socket, Math.max(patience, defaultPatience));
      const request = checkRequest(head.text);
      const { target } = request;
      const answer = Object.hasOwn(this.#answers, target.pathname) ? this.#answers[target.pathname] : undefined;
      if (target.pathname === '/runCase') await this.#runCase(socket, head, request);
      else if (answer !== undefined) await this.#answer(socket, head, request, recorder, await answer(target));
      else refuse(socket, '404 Not Found', `unknown path ${target.pathname}`);
    } catch (error) {
      if (!(error instanceof OpeningError)) throw error;
      refuse(socket, '400 Bad Request', error.message);
    } finally {
      // Unread data would keep the connection open.
      socket.resume();
    }
  }

  async #answer(
    socket: Socket,
    { rest }: ReadHead,
    { key }: OpeningTarget,
    recorder: Recorder,
    text: string | null,
  ): Promise<void> {
    const { patience = defaultPatience } = this.#options;
    socket.write(openingResponse(key, null));
    const session = new Session(socket, { role: 'server', deflate: null, maxMessage: 65536, patience, recorder });
    session.start(rest);
    if (text !== null) await session.sendMessage(Buffer.from(text), false);
    await session.close(1000);
    await session.awaitEnd();
  }

  async #runCase(socket: Socket, { text, rest }: ReadHead, { target, key, offers }: OpeningTarget): Promise<void> {
    const definition = this.#caseOf(target);
    const agent = this.#agentOf(target);
    // Limited, because a client can choose any number of names, and results take memory.
    if (!this.#results.has(agent) && this.#results.size >= maxAgents) throw new OpeningError('too many agents');
    const { patience, timeLimit, onResult } = this.#options;
    const options: RunOptions = {
      agent,
      role: 'server',
      ...(patience === undefined ? {} : { patience }),
      ...(timeLimit === undefined ? {} : { timeLimit }),
    };
    const open = async (recorder: Recorder, heads: Heads): Promise<Opened> => {
      heads.request = text;
      recorder.preopen('in', text);
      const accepted = definition.deflate === undefined ? null : acceptDeflate(offers, definition.deflate);
      const extensions = accepted?.text ?? null;
      const response = openingResponse(key, extensions);
      socket.write(response);
      heads.response = response;
      recorder.preopen('out', response);
      return { socket, rest, deflate: accepted?.agreement ?? null, extensions };
    };
    const result = runCase(definition, options, open, ({ message }) => refuse(socket, '400 Bad Request', message));
    const ofAgent = this.#results.get(agent) ?? new Map<string, Promise<CaseResult>>();
    this.#results.set(agent, ofAgent);
    ofAgent.set(definition.id, result);
    onResult?.(await result);
  }
}
