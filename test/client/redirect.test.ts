import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, type ClientRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { ClientOptions } from '../../src/client/client-options.ts';
import { type ConnectAttempt, connect } from '../../src/client/connect.ts';
import { keepsCredentials } from '../../src/client/redirect.ts';
import { parseAddress } from '../../src/handshake/client-handshake.ts';
import { HandshakeError } from '../../src/handshake/handshake-error.ts';
import { certificate, type RawServer, rawServer, switching } from './raw-server.ts';
import { type Outcome, type Reactions, Recording } from './recording.ts';

const agree = ({ accept }: { accept: string }) => switching(accept);
const to = (location: string, status = 302) =>
  `HTTP/1.1 ${status} Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`;

async function server(...parameters: Parameters<typeof rawServer>): Promise<RawServer> {
  const raw = await rawServer(...parameters);
  onTestFinished(() => raw[Symbol.asyncDispose]());
  return raw;
}

async function follow(
  address: string,
  options: ClientOptions<never> = {},
  reactions: Reactions = {},
): Promise<Outcome & { attempt: ConnectAttempt; recording: Recording }> {
  const recording = new Recording(reactions);
  const attempt = connect(address, [], { followRedirects: true, ...options }, recording);
  recording.started();
  const outcome = await recording.outcome;
  outcome.socket?.on('error', () => {}).destroy();
  return { attempt, recording, ...outcome };
}

/** The fields of a request that may tell who somebody is, and the Host. */
function tellingFields({ requests }: RawServer): Record<string, string> {
  const lines = requests.at(-1)!.text.split('\r\n').slice(1, -2);
  const pairs = lines.map((line) => line.split(': ') as [string, string]);
  const telling = ['authorization', 'cookie', 'proxy-authorization', 'host', 'x-mine', 'origin'];
  return Object.fromEntries(
    pairs.map(([name, value]) => [name.toLowerCase(), value] as const).filter(([name]) => telling.includes(name)),
  );
}

const secrets = {
  Authorization: 'Bearer secret',
  COOKIE: 'session=secret',
  'Proxy-Authorization': 'Basic secret',
  Host: 'example.com',
  'X-Mine': 'yes',
};

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'goodwire-'));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

describe('a redirect', () => {
  it('is an unexpected response unless redirects are to be followed', async () => {
    const raw = await server(() => to('/x'));
    const { error, recording } = await follow(`ws://127.0.0.1:${raw.port}/`, { followRedirects: false });
    expect(error).toMatchObject({ message: 'Unexpected server response: 302' });
    expect(recording.events).toEqual(['unexpected-response', 'error']);
    expect(raw.requests).toHaveLength(1);
  });

  it.each([300, 301, 302, 303, 307, 308])('with status %i is followed, with a new key', async (status) => {
    const target = await server(agree);
    const raw = await server(() => to(`http://127.0.0.1:${target.port}/there?b`, status));
    const { attempt, recording, error } = await follow(`ws://127.0.0.1:${raw.port}/here`);
    expect(error).toBeUndefined();
    expect(recording.events).toEqual(['redirect', 'upgrade', 'open']);
    expect(attempt.url).toBe(`ws://127.0.0.1:${target.port}/there?b`);
    expect(target.requests[0]!.text).toMatch(/^GET \/there\?b HTTP/);
    expect(target.requests[0]!.accept).not.toBe(raw.requests[0]!.accept);
    await raw.allClosed();
  });

  it('may be relative, and is then to the same server', async () => {
    const raw = await server(({ number, accept }) => (number === 1 ? to('../there?b') : switching(accept)));
    const { attempt } = await follow(`ws://127.0.0.1:${raw.port}/a/b/c?d`, { headers: secrets });
    expect(attempt.url).toBe(`ws://127.0.0.1:${raw.port}/a/there?b`);
    expect(tellingFields(raw)).toEqual({
      authorization: 'Bearer secret',
      cookie: 'session=secret',
      'proxy-authorization': 'Basic secret',
      host: 'example.com',
      'x-mine': 'yes',
    });
  });

  it('may be relative behind a Unix socket', async () => {
    const path = join(directory, 'relative.sock');
    const raw = await server(({ number, accept }) => (number === 1 ? to('there?b') : switching(accept)), { path });
    const { attempt, error } = await follow(`ws+unix:${path}:/a/b`, { headers: secrets });
    expect(error).toBeUndefined();
    expect(attempt.url).toBe(`ws+unix:${path}:/a/there?b`);
    expect(raw.requests[1]!.text).toMatch(/^GET \/a\/there\?b HTTP/);
    expect(tellingFields(raw)).toMatchObject({ authorization: 'Bearer secret' });
  });

  it('to another port takes no credentials along, and no Host', async () => {
    const target = await server(agree);
    const raw = await server(() => to(`ws://127.0.0.1:${target.port}/`));
    await follow(`ws://user:secret@127.0.0.1:${raw.port}/`, { headers: secrets, origin: 'http://example.com' });
    const expected = { host: `127.0.0.1:${target.port}`, 'x-mine': 'yes', origin: 'http://example.com' };
    expect(tellingFields(target)).toEqual(expected);
  });

  it('to another server takes no user along, whether of the address, the options or the location', async () => {
    const target = await server(agree);
    const raw = await server(() => to(`ws://mallory:m@127.0.0.1:${target.port}/`));
    await follow(`ws://user:secret@127.0.0.1:${raw.port}/`);
    expect(tellingFields(target)).not.toHaveProperty('authorization');
    await follow(`ws://127.0.0.1:${raw.port}/`, { auth: 'user:secret' });
    expect(tellingFields(target)).not.toHaveProperty('authorization');
  });

  it('to the same server takes the user along', async () => {
    const raw = await server(({ number, accept }) => (number % 2 === 1 ? to('/there') : switching(accept)));
    await follow(`ws://user:secret@127.0.0.1:${raw.port}/`);
    expect(tellingFields(raw).authorization).toBe('Basic dXNlcjpzZWNyZXQ=');
    await follow(`ws://127.0.0.1:${raw.port}/`, { auth: 'user:secret' });
    expect(tellingFields(raw).authorization).toBe('Basic dXNlcjpzZWNyZXQ=');
  });

  it('into a Unix socket and out of one takes no credentials along', async () => {
    const path = join(directory, 'target.sock');
    const inside = await server(agree, { path });
    const outer = await server(() => to(`ws+unix:${path}:/x`));
    await follow(`ws://127.0.0.1:${outer.port}/`, { headers: secrets });
    expect(tellingFields(inside)).toEqual({ host: 'localhost', 'x-mine': 'yes' });

    const outside = await server(agree);
    const from = join(directory, 'source.sock');
    await server(() => to(`ws://localhost:${outside.port}/x`), { path: from });
    await follow(`ws+unix:${from}:/`, { headers: secrets });
    expect(tellingFields(outside)).toEqual({ host: `localhost:${outside.port}`, 'x-mine': 'yes' });
  });

  it('from one Unix socket to another takes no credentials along', async () => {
    const path = join(directory, 'second.sock');
    const inside = await server(agree, { path });
    const from = join(directory, 'first.sock');
    await server(() => to(`ws+unix:${path}:/x`), { path: from });
    await follow(`ws+unix:${from}:/`, { headers: secrets });
    expect(tellingFields(inside)).toEqual({ host: 'localhost', 'x-mine': 'yes' });
  });

  it('from TLS to plain text takes no credentials along', async () => {
    const target = await server(agree);
    const raw = await server(() => to(`ws://127.0.0.1:${target.port}/`), { secure: true });
    await follow(`wss://127.0.0.1:${raw.port}/`, { headers: secrets, ca: certificate.cert });
    expect(tellingFields(target)).toEqual({ host: `127.0.0.1:${target.port}`, 'x-mine': 'yes' });

    const [secure, plain] = [parseAddress('wss://example.com/'), parseAddress('ws://example.com/')];
    expect(keepsCredentials(secure, plain)).toBe(false);
    expect(keepsCredentials(plain, secure)).toBe(true);
    expect(keepsCredentials(secure, secure)).toBe(true);
  });

  it('never gets back credentials that were left behind', async () => {
    const raw = await server(({ number, accept }) =>
      number === 1 ? to(`ws://127.0.0.1:${detour.port}/`) : switching(accept),
    );
    const detour = await server(() => to(`ws://127.0.0.1:${raw.port}/back`));
    const { error } = await follow(`ws://user:secret@127.0.0.1:${raw.port}/`, { headers: secrets });
    expect(error).toBeUndefined();
    expect(tellingFields(raw)).toEqual({ host: `127.0.0.1:${raw.port}`, 'x-mine': 'yes' });
  });

  it('leaves the credentials to a listener, if there is one', async () => {
    const target = await server(agree);
    const raw = await server(() => to(`ws://127.0.0.1:${target.port}/there`));
    const urls: string[] = [];
    await follow(
      `ws://127.0.0.1:${raw.port}/`,
      { headers: secrets },
      {
        redirect(url, request) {
          urls.push(url);
          request.removeHeader('cookie');
        },
      },
    );
    expect(urls).toEqual([`ws://127.0.0.1:${target.port}/there`]);
    expect(tellingFields(target)).toEqual({
      authorization: 'Bearer secret',
      'proxy-authorization': 'Basic secret',
      host: 'example.com',
      'x-mine': 'yes',
    });
  });

  it('is given to finishRequest as the first request was', async () => {
    const target = await server(agree);
    const raw = await server(() => to(`ws://127.0.0.1:${target.port}/there`));
    const paths: string[] = [];
    const { error } = await follow(`ws://127.0.0.1:${raw.port}/here`, {
      finishRequest(request) {
        paths.push(request.path);
        request.end();
      },
    });
    expect(error).toBeUndefined();
    expect(paths).toEqual(['/here', '/there']);
  });

  it('fails the attempt when finishRequest throws', async () => {
    const mistake = new Error('mine');
    const raw = await server(() => to('/there'));
    const { error, recording } = await follow(`ws://127.0.0.1:${raw.port}/here`, {
      finishRequest(request) {
        if (request.path === '/there') throw mistake;
        request.end();
      },
    });
    expect(error).toBe(mistake);
    expect(recording.events).toEqual(['redirect', 'error']);
    await raw.allClosed();
  });

  it('fails the attempt when the agent does not know the new scheme', async () => {
    const raw = await server(() => to('wss://127.0.0.1:1/'));
    const { error } = await follow(`ws://127.0.0.1:${raw.port}/`, { agent: new Agent() });
    expect(error).toMatchObject({ code: 'ERR_INVALID_PROTOCOL' });
  });

  it('gives the attempt up after maxRedirects of them', async () => {
    const raw = await server(() => to('/again'));
    for (const maxRedirects of [0, 3, undefined]) {
      const before = raw.requests.length;
      const { error, recording } = await follow(`ws://127.0.0.1:${raw.port}/`, { maxRedirects });
      expect(error).toBeInstanceOf(HandshakeError);
      expect(error).toMatchObject({
        message: 'Maximum redirects exceeded',
        code: 'GOODWIRE_TOO_MANY_REDIRECTS',
        status: 302,
      });
      const followed = maxRedirects ?? 10;
      expect(recording.events).toEqual([...Array(followed).fill('redirect'), 'error']);
      expect(raw.requests.length - before).toBe(followed + 1);
    }
    await raw.allClosed();
  });

  it('begins the handshakeTimeout anew', async () => {
    // Four answers take longer than the timeout, but each of them is in time.
    const raw = await server(({ socket, number, accept }) => {
      setTimeout(() => socket.write(number < 4 ? to('/again') : switching(accept)), 120);
      return undefined;
    });
    const { error } = await follow(`ws://127.0.0.1:${raw.port}/`, { handshakeTimeout: 400 });
    expect(error).toBeUndefined();
  });

  it('can be the moment to abort', async () => {
    const target = await server(agree);
    const raw = await server(() => to(`ws://127.0.0.1:${target.port}/`));
    const reason = new Error('no further');
    const recording = new Recording({ redirect: () => attempt.abort(reason) });
    let finished = 0;
    const finishRequest = (request: ClientRequest) => {
      finished++;
      request.end();
    };
    const options = { followRedirects: true, finishRequest };
    const attempt = connect(`ws://127.0.0.1:${raw.port}/`, [], options, recording);
    expect((await recording.outcome).error).toBe(reason);
    expect(finished).toBe(1);
    await raw.allClosed();
    expect(recording.events).toEqual(['redirect', 'error']);
    expect(target.requests).toEqual([]);
  });

  it('can be refused by destroying the new request', async () => {
    const raw = await server(() => to('/there'));
    const { error } = await follow(
      `ws://127.0.0.1:${raw.port}/`,
      {},
      { redirect: (_url, request) => void request.destroy() },
    );
    expect(error).toMatchObject({ message: 'socket hang up', code: 'ECONNRESET' });
    expect(raw.requests).toHaveLength(1);
  });
});
