import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { kitFolder } from './folders.ts';

/** Recorded session between two endpoints, made by `npm run fuzz:record`. */
export interface Recording {
  /** Endpoints and settings. */
  readonly title: string;
  /** Head of the request, and below of the response. */
  readonly request: string;
  readonly response: string;
  /** Data behind the heads, in hex. */
  readonly client: string;
  readonly server: string;
}

/** Returns all recordings, by name. */
export function readRecordings(): Recording[] {
  const folder = join(kitFolder, 'recordings');
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
  return files.sort().map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Recording);
}

/** True if a session was compressed. */
export const isDeflated = ({ response }: Recording): boolean => /permessage-deflate/i.test(response);
