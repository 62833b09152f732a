import { type Program, start } from '../support/program.ts';

/** Server of `npm start`, on a free port. */
export interface Site {
  readonly program: Program;
  readonly port: number;
  /** Address of the page, with a slash at the end. */
  readonly page: string;
  /** Address of the echo endpoint. */
  readonly echo: string;
}

/** Starts the server of `npm start` and waits until it listens. */
export async function startSite(): Promise<Site> {
  const program = start('site/server.js', { PORT: '0' });
  const [, port] = await program.prints(/listening on http:\/\/127\.0\.0\.1:(\d+)/);
  return { program, port: Number(port), page: `http://127.0.0.1:${port}/`, echo: `ws://127.0.0.1:${port}/ws` };
}
