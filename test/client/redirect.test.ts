import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, type ClientRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClientOptions } from '../../src/client/client-options.ts';
import { type ConnectAttempt, connect } from '../../src/client/connect.ts';
import { keepsCredentials, withoutCredentials } from '../../src/client/redirect.ts';
import { headerEntries, parseAddress } from '../../src/handshake/client-handshake.ts';
import { HandshakeError } from '../../src/handshake/handshake-error.ts';
import { certificate } from '../support/certificate.ts';
import { agree, type RawServer, redirection, server, switching } from '../support/raw-server.ts';
import { type Outcome, type Reactions, Recording } from './recording.ts';

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

/** Returns the fields of the last request that may contain credentials, and the Host. */
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
  it('may be relative for a Unix socket, and stays on that socket', async () => {
    const path = join(directory, 'relative.sock');
    const raw = await server(({ number, accept }) => (number === 1 ? redirection('there?b') : switching(accept)), {
      path,
    });
    const { attempt, error } = await follow(`ws+unix:${path}:/a/b`, { headers: secrets });
    expect(error).toBeUndefined();
    expect(attempt.url).toBe(`ws+unix:${path}:/a/there?b`);
    expect(raw.requests[1]!.text).toMatch(/^GET \/a\/there\?b HTTP/);
    expect(tellingFields(raw)).toMatchObject({ 'proxy-authorization': 'Basic secret' });
  });

  it('may be relative for a Unix socket with TLS', async () => {
    const path = join(directory, 'relative-secure.sock');
    await server(({ number, accept }) => (number === 1 ? redirection('/b') : switching(accept)), {
      path,
      secure: true,
    });
    const { attempt, error } = await follow(`wss+unix:${path}:/a`, { ca: certificate.cert });
    expect(error).toBeUndefined();
    expect(attempt.url).toBe(`wss+unix:${path}:/b`);
  });

  it.each(['ws+unix:/tmp/victim.sock:/attach', 'wss+unix:/tmp/victim.sock:/attach', 'ws+unix:./victim.sock'])(
    'never leads from the network to a Unix socket: %s',
    async (location) => {
      const raw = await server(() => redirection(location));
      // Not even if a listener handles the redirect.
      const { error, recording } = await follow(`ws://127.0.0.1:${raw.port}/`, {}, { redirect: () => {} });
      expect(error).toBeInstanceOf(HandshakeError);
      expect(error).toMatchObject({
        code: 'GOODWIRE_REDIRECT_TO_UNIX_SOCKET',
        message: `A redirect must not lead from the network to a Unix socket; got ${location}`,
        status: 302,
      });
      expect(recording.events).toEqual(['error']);
    },
  );

  it('never leads back to the Unix socket that it came from over the network', async () => {
    const path = join(directory, 'origin.sock');
    const outside = await server(() => redirection(`ws+unix:${path}:/`));
    await server(() => redirection(`ws://127.0.0.1:${outside.port}/`), { path });
    const { error } = await follow(`ws+unix:${path}:/`);
    expect(error).toMatchObject({ code: 'GOODWIRE_REDIRECT_TO_UNIX_SOCKET' });
  });

  it('stays on a Unix socket whose path has spaces, colons and other letters', async () => {
    const path = join(directory, 'a sock: ü 100%.sock');
    await server(({ number, accept }) => (number === 1 ? redirection('/b') : switching(accept)), { path });
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    const { attempt, error } = await follow(`ws+unix:${encoded}:/a`);
    expect(error).toBeUndefined();
    expect(attempt.url).toBe(`ws+unix:${encoded}:/b`);
  });

  it('to a missing Unix socket fails', async () => {
    const path = join(directory, 'nowhere.sock');
    await server(() => redirection('ws://'), { path });
    const { error } = await follow(`ws+unix:${path}:/`);
    expect(error).toEqual(new SyntaxError('Invalid URL: ws://'));
  });

  it('to another server does not send credentials for a proxy', async () => {
    const target = await server(agree);
    const raw = await server(() => redirection(`ws://127.0.0.1:${target.port}/`));
    await follow(`ws://127.0.0.1:${raw.port}/`, { headers: secrets });
    expect(tellingFields(target)).toEqual({ host: `127.0.0.1:${target.port}`, 'x-mine': 'yes' });
  });

  it('from TLS to plain text does not send credentials for a proxy', () => {
    const [secure, plain] = [parseAddress('wss://example.com/'), parseAddress('ws://example.com/')];
    const kept = { 'X-Mine': 'yes', Host: 'example.com' };
    expect(Object.fromEntries(headerEntries(withoutCredentials(secrets, secure, plain)))).toEqual(kept);
    expect(keepsCredentials(secure, plain)).toBe(false);
  });

  it('keeps all headers if a listener handles it', async () => {
    const target = await server(agree);
    const raw = await server(() => redirection(`ws://127.0.0.1:${target.port}/`));
    await follow(`ws://127.0.0.1:${raw.port}/`, { headers: secrets }, { redirect: () => {} });
    expect(tellingFields(target)).toEqual({
      authorization: 'Bearer secret',
      cookie: 'session=secret',
      'proxy-authorization': 'Basic secret',
      host: 'example.com',
      'x-mine': 'yes',
    });
  });

  it('never restores removed credentials', async () => {
    const raw = await server(({ number, accept }) =>
      number === 1 ? redirection(`ws://127.0.0.1:${detour.port}/`) : switching(accept),
    );
    const detour = await server(() => redirection(`ws://127.0.0.1:${raw.port}/back`));
    const { error } = await follow(`ws://user:secret@127.0.0.1:${raw.port}/`, { headers: secrets });
    expect(error).toBeUndefined();
    expect(tellingFields(raw)).toEqual({ host: `127.0.0.1:${raw.port}`, 'x-mine': 'yes' });
  });

  it('fails the attempt if finishRequest throws', async () => {
    const mistake = new Error('mine');
    const raw = await server(() => redirection('/there'));
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

  it('fails the attempt if the agent does not support the new scheme', async () => {
    const raw = await server(() => redirection('wss://127.0.0.1:1/'));
    const { error } = await follow(`ws://127.0.0.1:${raw.port}/`, { agent: new Agent() });
    expect(error).toMatchObject({ code: 'ERR_INVALID_PROTOCOL' });
  });

  it('beyond maxRedirects is a HandshakeError with the last response', async () => {
    const raw = await server(() => redirection('/again'));
    const { error } = await follow(`ws://127.0.0.1:${raw.port}/`, { maxRedirects: 1 });
    expect(error).toBeInstanceOf(HandshakeError);
    expect(error).toMatchObject({
      message: 'Maximum redirects exceeded',
      code: 'GOODWIRE_TOO_MANY_REDIRECTS',
      status: 302,
      headers: { location: '/again' },
    });
    await raw.allClosed();
  });

  it('can be refused by aborting the new request', async () => {
    const raw = await server(() => redirection('/there'));
    const redirect = (_url: string, request: ClientRequest) => void request.abort();
    const { error } = await follow(`ws://127.0.0.1:${raw.port}/`, {}, { redirect });
    expect(error).toMatchObject({ message: 'socket hang up', code: 'ECONNRESET' });
    expect(raw.requests).toHaveLength(1);
  });

  it('can be aborted in the redirect listener', async () => {
    const target = await server(agree);
    const raw = await server(() => redirection(`ws://127.0.0.1:${target.port}/`));
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
});
