import { describe, expect, it } from 'vitest';
import { clientRows, runClientRow } from '../../scripts/consumers/http-exchanges.mjs';
import * as goodwire from '../../src/index.ts';

const [accepted] = clientRows;
/** Length of a response with all its frames, at most. */
const longest = 400;

describe('a client', () => {
  it.each(clientRows)('keeps to HTTP: $title', async (row) => {
    for (const way of ['whole', 'octet by octet'] as const) {
      const { events } = await runClientRow(goodwire, row, way);
      expect(events, way).toEqual(row.expected);
    }
  });

  it.each(clientRows.filter(({ isSplit }) => isSplit))(
    'keeps to HTTP wherever the response is cut: $title',
    async (row) => {
      for (let at = 1; at < longest; at++) {
        const { events } = await runClientRow(goodwire, row, at);
        expect(events, `cut at ${at}`).toEqual(row.expected);
      }
    },
  );

  it('sends an origin form, one Host, the upgrade, and no field of a body, whatever fields the application gives', async () => {
    const headers = {
      Connection: 'close',
      'Content-Length': '5',
      EXPECT: '100-continue',
      Trailer: 'X',
      'transfer-encoding': 'chunked',
      'X-Mine': 'mine',
    };
    const { events, request } = await runClientRow(goodwire, accepted!, 'whole', { headers });
    expect(events).toEqual(accepted!.expected);
    const [line, ...fields] = request.slice(0, request.indexOf('\r\n\r\n')).split('\r\n');
    expect(line).toBe('GET / HTTP/1.1');
    expect(fields.map((field) => field.replace(/(-Key): .*/, '$1: …')).sort()).toEqual([
      'Connection: Upgrade',
      'Host: localhost',
      'Sec-WebSocket-Key: …',
      'Sec-WebSocket-Version: 13',
      'Upgrade: websocket',
      'X-Mine: mine',
    ]);
    expect(request.endsWith('\r\n\r\n')).toBe(true);
  });
});
