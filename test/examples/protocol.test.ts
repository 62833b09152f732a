import { describe, expect, it } from 'vitest';
import { start } from '../support/program.ts';

describe('examples/protocol.js', () => {
  it('runs a connection over two arrays: messages, pings, fragments, both sides of a closing handshake, and a violation', async () => {
    const { code, stdout, stderr } = await start('examples/protocol.js').exit;
    expect(stderr).toBe('');
    expect(stdout.trimEnd().split('\n')).toEqual([
      '→ 818537fa213d7f9f4d5158898637fa213d4392444f52c5',
      'server: message "Hello"',
      'server: ping "there?" (the pong is written already)',
      '← 8a0674686572653f',
      'client: pong "there?"',
      '← 010348656c890c7374696c6c2074686572653f80026c6f',
      'client: ping "still there?" (the pong is written already)',
      'client: message "Hello"',
      '→ 8a8c37fa213d448e48515bda555552884402',
      'server: pong "still there?"',
      'client is closeSent, server is open',
      '→ 888a37fa213d341240515bda525c5e9e',
      'server: close 1000 "all said"',
      '← 880a03e8616c6c2073616964',
      'client: close 1000 "all said"',
      'client is closed, server is closed',
      'strict: WS_ERR_EXPECTED_MASK, close code 1002. RFC 6455 §5.1: a client masks every frame that it sends',
      'strict is failed and answers 880203ea',
    ]);
    expect(code).toBe(0);
  });
});
