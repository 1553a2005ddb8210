import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadCheckpointKey } from '../src/checkpoint-key.js';
import { loadConfig } from '../src/config.js';
import { DataDirUnusable } from '../src/lib/kept-secret.js';
import { loadSecret } from '../src/server.js';

const PROCESSES = 8;

t.test('of those that make the secret at the same time all get the same, and whole', async (t) => {
  for (let round = 0; round < 100; round++) {
    const config = loadConfig({ DATA_DIR: join(t.testdir(), String(round)) });
    const secrets = await Promise.all(Array.from({ length: PROCESSES }, () => loadSecret(config)));
    t.same(new Set(secrets.map((secret) => secret.length)), new Set([32]));
    t.equal(new Set(secrets.map((secret) => secret.toString('hex'))).size, 1);
  }
});

t.test('a data directory that cannot be used stops the start with a sentence', async (t) => {
  const directory = t.testdir();
  const file = join(directory, 'file');
  writeFileSync(file, '');
  const taken = join(directory, 'taken');
  mkdirSync(join(taken, 'secret'), { recursive: true });
  mkdirSync(join(taken, 'checkpoint-key.pem'));
  for (const dataDir of [file, join(file, 'below'), taken]) {
    const config = loadConfig({ DATA_DIR: dataDir });
    const refusal = { constructor: DataDirUnusable, message: /^DATA_DIR cannot be used: E[A-Z]+: .+\.$/ };
    await t.rejects(loadSecret(config), refusal, dataDir);
    await t.rejects(loadCheckpointKey(config), refusal, dataDir);
  }
});

t.test('a secret that was cut off is not used, and nothing else lies beside it', async (t) => {
  const directory = t.testdir({ secret: 'c2hvcnQ=' });
  const config = loadConfig({ DATA_DIR: directory });
  await t.rejects(loadSecret(config), {
    constructor: DataDirUnusable,
    message: /^DATA_DIR cannot be used: the file secret in it is damaged; restore it/,
  });
  t.same(readdirSync(directory), ['secret']);
});
