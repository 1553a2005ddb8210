import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ApiError } from '../../src/errors/api-error.js';
import { catalogue, type ErrorName } from '../../src/errors/catalogue.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));

t.test('docs/errors.md lists exactly the catalogue: name, status, code and ARM code', async (t) => {
  const rows = (await readFile(`${root}docs/errors.md`, 'utf8'))
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const documented = rows.map(([name, status, code, armCode]) => [name, status, code, armCode].join(' '));
  const known = Object.entries(catalogue).map(
    ([name, { status, code, armCode }]) => `\`${name}\` ${status} ${code} \`${armCode}\``,
  );
  t.same([...documented].sort(), [...known].sort());
  for (const row of rows) {
    t.equal(row.length, 6, row.join());
    t.match(row[4], /^[A-Z`].{10,}/, `${row[0]}: when`);
    t.match(row[5], /^[A-Z`].{5,}/, `${row[0]}: what to do`);
  }
});

t.test('codes of the service itself are used once, and every sentence says what to do', (t) => {
  const own = Object.values(catalogue)
    .map(({ code }) => code)
    .filter((code) => Number(code) >= 990_000);
  t.equal(new Set(own).size, own.length);
  for (const [name, { status, code, description }] of Object.entries(catalogue)) {
    t.ok(status >= 400 && status < 600 && status !== 422, name);
    t.match(code, /^\d+$/, name);
    t.match(description, /^[A-Z].*\.$/, name);
  }
  t.end();
});

t.test('a description is cut at 1024 characters, as documented', (t) => {
  const names = Object.keys(catalogue) as ErrorName[];
  t.equal(new ApiError(names[0] ?? 'InvalidInput', { description: 'x'.repeat(5000) }).message.length, 1024);
  t.end();
});
