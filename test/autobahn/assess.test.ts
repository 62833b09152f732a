import { describe, expect, test } from 'vitest';
import { assess, failed } from '../../autobahn/assess.ts';
import { failure, normalClose, wrongClose } from '../../autobahn/cases/case-definition.ts';
import { message, pong, type ReceivedEvent, timeout } from '../../autobahn/session/received-event.ts';
import type { Outcome } from '../../autobahn/session/session.ts';

const hello = message(Buffer.from('hello'), false);
const close = (code: number | null) => ({ code, reason: null });

/** We closed with 1000 as the client, and the peer answered. */
const clean: Outcome = {
  received: [hello],
  role: 'client',
  closedByMe: true,
  failedByMe: false,
  droppedByMe: false,
  wasClean: true,
  wasCloseHandshakeTimeout: false,
  wasServerConnectionDropTimeout: false,
  localClose: close(1000),
  remoteClose: close(1000),
  violation: null,
  abandoned: null,
};
/** The peer failed the connection with 1002. */
const failedByPeer: Outcome = { ...clean, received: [], closedByMe: false, remoteClose: close(1002) };

describe('an outcome is OK, NON-STRICT or FAILED', () => {
  const strict = { OK: [hello], 'NON-STRICT': [] };
  test.each<[string, readonly ReceivedEvent[], string]>([
    ['the expected result', [hello], 'OK'],
    ['a result that is only tolerated', [], 'NON-STRICT'],
    ['more than was expected', [hello, hello], 'FAILED'],
    ['another payload', [message(Buffer.from('hellO'), false)], 'FAILED'],
    ['binary for text', [message(Buffer.from('hello'), true)], 'FAILED'],
    ['a pong for a message', [pong(Buffer.from('hello'))], 'FAILED'],
    ['a wait that passed', [timeout('A')], 'FAILED'],
    ['too few round trips', [{ type: 'roundtrips', count: 999 }], 'FAILED'],
  ])('%s', (_title, received, behavior) => {
    expect(assess({ ...clean, received }, strict, normalClose).behavior).toBe(behavior);
  });

  test('a case that fails late is NON-STRICT, and a case that fails too early is FAILED', () => {
    const lists = { OK: [timeout('A')], 'NON-STRICT': [timeout('A'), timeout('B')] };
    const behavior = (received: readonly ReceivedEvent[]) =>
      assess({ ...failedByPeer, received }, lists, failure(1007)).behavior;
    expect([behavior([timeout('A')]), behavior([timeout('A'), timeout('B')]), behavior([])]).toEqual([
      'OK',
      'NON-STRICT',
      'FAILED',
    ]);
  });

  test('a protocol violation by the peer is FAILED, whatever else was received', () => {
    const { behavior, result } = assess({ ...clean, violation: 'RSV2 is set' }, { OK: [hello] }, normalClose);
    expect([behavior, result]).toEqual(['FAILED', 'The peer broke the protocol: RSV2 is set.']);
  });

  test.each<[readonly ReceivedEvent[], readonly ReceivedEvent[], string]>([
    [[], [hello], 'A text message with payload 68656c6c6f was expected but not received.'],
    [[hello], [], 'A text message with payload 68656c6c6f was received, but nothing more was expected.'],
    [
      [message(Buffer.from('hexlo'), false)],
      [hello],
      'A text message with payload 68656c6c6f was expected; a text message with payload 6865786c6f was received, which differs from octet 2 on.',
    ],
    [
      [message(Buffer.alloc(100), true)],
      [message(Buffer.alloc(101), true)],
      'A binary message with 101 octets was expected; a binary message with 100 octets was received, which differs from octet 100 on.',
    ],
    [
      [pong(Buffer.alloc(0))],
      [hello],
      'A text message with payload 68656c6c6f was expected; a pong with an empty payload was received.',
    ],
    [
      [{ type: 'roundtrips', count: 7 }],
      [{ type: 'roundtrips', count: 1000 }],
      '1000 messages, all unchanged was expected; 7 messages, all unchanged was received.',
    ],
  ])('reports the violation first: %#', (received, expected, result) => {
    expect(assess({ ...clean, received }, { OK: expected }, normalClose).result).toBe(result);
  });
});

describe('the end of the connection', () => {
  const dropped = { wasClean: false, remoteClose: null };
  test.each([
    ['the peer answers our close frame', clean, normalClose, 'OK'],
    ['it answers without a code', { ...clean, remoteClose: close(null) }, normalClose, 'OK'],
    ['it answers with another code', { ...clean, remoteClose: close(1001) }, normalClose, 'WRONG CODE'],
    ['it ends TCP instead', { ...clean, ...dropped }, normalClose, 'UNCLEAN'],
    [
      'it does nothing',
      { ...clean, ...dropped, wasCloseHandshakeTimeout: true, droppedByMe: true, abandoned: 'late' },
      normalClose,
      'UNCLEAN',
    ],
    [
      'it does nothing, where no closing handshake is required',
      { ...clean, ...dropped, wasCloseHandshakeTimeout: true, droppedByMe: true, abandoned: 'late' },
      wrongClose(1002),
      'UNCLEAN',
    ],
    [
      'the server leaves TCP to us',
      { ...clean, wasServerConnectionDropTimeout: true, droppedByMe: true },
      normalClose,
      'FAILED BY CLIENT',
    ],
    ['we as a server end TCP', { ...clean, role: 'server', droppedByMe: true }, normalClose, 'OK'],
    ['the peer closes before us', { ...clean, closedByMe: false }, normalClose, 'FAILED'],
    ['the peer fails the connection', failedByPeer, failure(1002), 'OK'],
    ['by ending TCP', { ...failedByPeer, ...dropped }, failure(1002), 'OK'],
    ['with the code of another failure', { ...failedByPeer, remoteClose: close(1000) }, failure(1002), 'WRONG CODE'],
    ['with one of two codes', { ...failedByPeer, remoteClose: close(1007) }, failure(1002, 1007), 'OK'],
    [
      'it does not fail it',
      { ...clean, ...dropped, abandoned: 'the peer did not fail the connection', droppedByMe: true },
      failure(1002),
      'FAILED',
    ],
    ['it refuses our close frame', { ...clean, remoteClose: close(1002) }, wrongClose(1002), 'OK'],
    ['it echoes our wrong close frame', { ...clean, remoteClose: close(999) }, wrongClose(1002), 'WRONG CODE'],
  ] as const)('%s', (_title, outcome, expected, behaviorClose) => {
    expect(assess(outcome as Outcome, { OK: [hello] }, expected).behaviorClose).toBe(behaviorClose);
  });
});

test('an error that prevented a case from running is the reason of its failure', () => {
  expect(failed('the server answered HTTP/1.1 404 Not Found')).toMatchObject({
    behavior: 'FAILED',
    behaviorClose: 'FAILED',
    result: 'The server answered HTTP/1.1 404 Not Found.',
  });
});
