import { readFileSync } from 'node:fs';

/** Certificate for localhost, 127.0.0.1 and ::1. Untrusted unless a test adds it. */
export const certificate = {
  key: readFileSync(new URL('../fixtures/localhost-key.pem', import.meta.url)),
  cert: readFileSync(new URL('../fixtures/localhost-cert.pem', import.meta.url)),
};
