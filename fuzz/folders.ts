import { existsSync } from 'node:fs';
import { join } from 'node:path';

const here = import.meta.dirname;

/** Folder of the kit in the repository, also if the kit runs compiled. */
export const kitFolder = existsSync(join(here, 'recordings')) ? here : join(here, '..', '..', 'fuzz');
