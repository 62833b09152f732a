import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { kitFolder } from './folders.ts';

/** A session between two endpoints, as it went over the wire; `npm run fuzz:record` makes them. */
export interface Recording {
  /** Who spoke with whom, and how. */
  readonly title: string;
  /** The head of the request, and that of the response. */
  readonly request: string;
  readonly response: string;
  /** What came behind, in hex. */
  readonly client: string;
  readonly server: string;
}

/** All recordings, by name. */
export function readRecordings(): Recording[] {
  const folder = join(kitFolder, 'recordings');
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
  return files.sort().map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Recording);
}

/** Whether a session was compressed. */
export const isDeflated = ({ response }: Recording): boolean => /permessage-deflate/i.test(response);
