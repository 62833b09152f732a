import { existsSync } from 'node:fs';
import { join } from 'node:path';

const here = import.meta.dirname;

/** The folder of the kit in the repository, also where it runs compiled. */
export const kitFolder = existsSync(join(here, 'recordings')) ? here : join(here, '..', '..', 'fuzz');
