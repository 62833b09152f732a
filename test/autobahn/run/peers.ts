import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { CaseDefinition } from '../../../autobahn/cases/case-definition.ts';
import type { CaseResult } from '../../../autobahn/report/case-result.ts';
import { runFuzzingClient } from '../../../autobahn/run/fuzzing-client.ts';
import { FuzzingServer } from '../../../autobahn/run/fuzzing-server.ts';
import { certificate } from '../../support/certificate.ts';
import { implementations } from '../../support/peers.ts';
import { portOf } from '../../support/port-of.ts';

export type Name = keyof typeof implementations;

/**
 * Starts an echo server, with permessage-deflate and otherwise default options. With TLS its certificate is untrusted.
 */
export async function startEchoServer(
  name: Name,
  { isSecure = false } = {},
): Promise<{ url: URL; close: () => Promise<void> }> {
  const http = isSecure ? createTlsServer(certificate) : createServer();
  const server = new implementations[name].WebSocketServer({ server: http, perMessageDeflate: true });
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const port = portOf(http);
  return {
    url: new URL(`${isSecure ? 'wss' : 'ws'}://127.0.0.1:${port}`),
    close: () =>
      new Promise((resolve) => {
        server.close();
        http.close(() => resolve());
      }),
  };
}

/** Connects to a URL, echoes messages, and returns the last text when the connection has closed. */
export function echoFrom(name: Name, url: string): Promise<string> {
  return new Promise((resolve) => {
    let last = '';
    const socket = new implementations[name].WebSocket(url);
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => {
      last = data.toString();
      socket.send(data, { binary: isBinary });
    });
    socket.on('close', () => resolve(last));
  });
}

/** Maximum number of concurrent cases in tests. */
const parallel = 4;

/** In milliseconds. Long, for a busy machine. */
const patience = 15_000;

export type Direction = 'server' | 'client';

/** Runs cases against an implementation, as a server or as a client. */
export async function runCases(
  name: Name,
  direction: Direction,
  cases: readonly CaseDefinition[],
): Promise<CaseResult[]> {
  if (direction === 'server') {
    const { url, close } = await startEchoServer(name);
    const results = await runFuzzingClient({ url, agent: name, cases, parallel, patience });
    await close();
    return results;
  }
  const server = new FuzzingServer({ port: 0, cases, patience });
  const port = await server.listen();
  let number = 0;
  const work = async () => {
    while (number < cases.length) await echoFrom(name, `ws://127.0.0.1:${port}/runCase?case=${++number}&agent=${name}`);
  };
  await Promise.all(Array.from({ length: parallel }, work));
  const results = await server.results(name);
  await server.close();
  return results;
}

/** Returns the results that are not OK, for comparison: `id behavior/behaviorClose`. */
export const notOk = (results: readonly CaseResult[]): string[] =>
  results
    .filter(({ behavior, behaviorClose }) => behavior !== 'OK' || behaviorClose !== 'OK')
    .map(({ id, behavior, behaviorClose }) => `${id} ${behavior}/${behaviorClose}`);
