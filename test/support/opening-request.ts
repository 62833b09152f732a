import type { IncomingMessage } from 'node:http';

/** Key and answer of RFC 6455 §1.3. */
export const key = 'dGhlIHNhbXBsZSBub25jZQ==';
export const accept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

interface RequestOptions {
  method?: string;
  url?: string;
  version?: string;
  headers?: Record<string, string | string[] | undefined>;
}

/** Returns a valid opening request, with changed fields. Undefined removes a field; a list repeats it. */
export function requestText({ method = 'GET', url = '/', version = '1.1', headers = {} }: RequestOptions = {}): string {
  const fields: Record<string, string | string[] | undefined> = {
    Host: 'localhost',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': key,
    'Sec-WebSocket-Version': '13',
    ...headers,
  };
  let text = `${method} ${url} HTTP/${version}\r\n`;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) text += `${name}: ${one}\r\n`;
  }
  return `${text}\r\n`;
}

/** Returns a request made by a program, as used to inject requests into a server. */
export function injectedRequest(headers: Record<string, string | undefined> = {}, more: object = {}): IncomingMessage {
  return {
    method: 'GET',
    httpVersion: '1.1',
    url: '/',
    headers: {
      upgrade: 'websocket',
      connection: 'upgrade',
      'sec-websocket-version': '13',
      'sec-websocket-key': key,
      ...headers,
    },
    ...more,
  } as unknown as IncomingMessage;
}
