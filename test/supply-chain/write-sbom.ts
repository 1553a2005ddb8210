import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeSbom } from './sbom.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));

await writeFile(join(root, 'sbom.cdx.json'), `${JSON.stringify(await makeSbom(root), null, 2)}\n`);
