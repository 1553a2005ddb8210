import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const root = fileURLToPath(new URL('../../', import.meta.url));
const src = join(root, 'src');

interface Source {
  /** From `src`, with slashes. */
  path: string;
  text: string;
  /** Own files, from `src`. */
  imports: string[];
}

const files = (await readdir(src, { recursive: true })).map((name) => name.replaceAll('\\', '/')).sort();
const names = files.filter((name) => name.endsWith('.ts'));
const sources: Source[] = await Promise.all(
  names.map(async (path) => {
    const text = await readFile(join(src, path), 'utf8');
    const imports = [...text.matchAll(/\bfrom '(\.[^']+)'|\bimport\('(\.[^']+)'\)/g)].map(([, from, dynamic]) =>
      posix.normalize(`${dirname(path)}/${from ?? dynamic}`).replace(/\.js$/, '.ts'),
    );
    return { path, text, imports };
  }),
);

/** The parts of the tree, each with the parts it may import. Outside its own folder a file imports nothing else. */
const LAYERS: readonly { name: string; is: RegExp; may: readonly string[] }[] = [
  { name: 'lib', is: /^lib\//, may: ['lib'] },
  { name: 'version', is: /^(version|log)\.ts$/, may: ['lib'] },
  { name: 'config', is: /^config\.ts$/, may: [] },
  { name: 'errors', is: /^errors\//, may: ['errors'] },
  { name: 'events', is: /^events\.ts$/, may: [] },
  { name: 'http', is: /^http\//, may: ['http', 'errors', 'lib'] },
  { name: 'db', is: /^db\//, may: ['db', 'errors', 'lib'] },
  {
    name: 'plugins',
    is: /^plugins\//,
    may: ['plugins', 'http', 'errors', 'db', 'lib', 'events'],
  },
  {
    name: 'nouns',
    is: /^nouns\//,
    may: ['nouns', 'plugins', 'http', 'errors', 'events', 'db', 'lib'],
  },
  {
    name: 'app',
    is: /^app\.ts$/,
    may: ['nouns', 'plugins', 'http', 'errors', 'events', 'db', 'lib', 'config'],
  },
];
const layerOf = (path: string) => LAYERS.find(({ is }) => is.test(path))?.name ?? 'process';
const nounOf = (path: string) => /^nouns\/([^/.]+)/.exec(path)?.[1];

t.test('imports go only downwards, and plugins import no noun', (t) => {
  t.ok(sources.length > 40);
  for (const { path, imports } of sources) {
    const layer = LAYERS.find(({ is }) => is.test(path));
    for (const imported of imports) {
      t.ok(files.includes(imported), `${path}: ${imported} is a file of src`);
      if (layer) t.ok(layer.may.includes(layerOf(imported)), `${path} may import ${imported}`);
    }
  }
  t.end();
});

t.test('only cli and its commands stand above the server, and nothing imports them', (t) => {
  for (const { path, imports } of sources) {
    for (const imported of imports) {
      if (imported === 'cli.ts') t.fail(`${path} imports cli.ts`);
      if (imported.startsWith('commands/')) t.match(path, /^(cli\.ts$|commands\/)/, `${path} imports ${imported}`);
      if (imported === 'server.ts') t.match(path, /^commands\//, `${path} imports server.ts`);
    }
  }
  t.end();
});

t.test("of another noun a file takes its service, and shapes, and never its queries' tables", (t) => {
  for (const { path, imports } of sources) {
    const own = nounOf(path);
    for (const imported of imports) {
      const other = nounOf(imported);
      if (own === undefined || other === undefined || other === own) continue;
      t.notMatch(imported, /routes?\.ts$/, `${path} imports routes of ${other}`);
    }
  }
  t.end();
});

t.test('queries take the handle and know no service; schemas know neither', (t) => {
  for (const { path, imports } of sources) {
    if (/queries\.ts$/.test(path)) {
      for (const imported of imports) t.notMatch(imported, /(service|routes)\.ts$/, `${path} imports ${imported}`);
    }
    if (/^nouns\/.*schemas\.ts$/.test(path)) {
      for (const imported of imports)
        t.notMatch(imported, /(service|routes|queries)\.ts$|^db\//, `${path} imports ${imported}`);
    }
  }
  t.end();
});

t.test('imports have no cycle', (t) => {
  const importsOf = new Map(
    sources.map(({ path, text, imports }) => {
      const types = [...text.matchAll(/^(?:import|export) type [^;]*? from '(\.[^']+)'/gm)].map(([, from]) =>
        posix.normalize(`${dirname(path)}/${from}`).replace(/\.js$/, '.ts'),
      );
      return [path, imports.filter((imported) => !types.includes(imported))];
    }),
  );
  const done = new Set<string>();
  const visit = (path: string, above: readonly string[]): string[] | undefined => {
    if (above.includes(path)) return [...above.slice(above.indexOf(path)), path];
    if (done.has(path)) return undefined;
    for (const imported of importsOf.get(path) ?? []) {
      const cycle = visit(imported, [...above, path]);
      if (cycle) return cycle;
    }
    done.add(path);
    return undefined;
  };
  t.same(
    sources.flatMap(({ path }) => visit(path, []) ?? []),
    [],
  );
  t.end();
});

/** Source text without comments, which may speak of what code may not do. */
const codeOf = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');

t.test('the process is touched in cli.ts alone', (t) => {
  for (const { path, text } of sources) {
    if (path === 'cli.ts') continue;
    t.notMatch(codeOf(text), /\bprocess\.(env|argv|exit|stdout|stderr|on)\b|\bconsole\./, path);
  }
  t.end();
});

t.test('SQL stands in queries.ts and db alone', (t) => {
  const builder = /\.(selectFrom|insertInto|updateTable|deleteFrom)\(|\bsql(<[^>]*>)?`|\.query\(/;
  for (const { path, text } of sources) {
    if (/(^|\/)queries\.ts$|-queries\.ts$|^db\//.test(path)) continue;
    t.notMatch(codeOf(text), builder, path);
  }
  t.end();
});

t.test('no file is over 400 lines, and every name is in kebab-case', (t) => {
  for (const { path, text } of sources) {
    t.ok(text.split('\n').length <= 401, `${path} has ${text.split('\n').length - 1} lines`);
    t.match(path, /^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*\.ts$/, path);
  }
  t.end();
});

t.test('errors are thrown by name, and named schemas have one name each', (t) => {
  const ids: string[] = [];
  for (const { path, text } of sources) {
    ids.push(...[...text.matchAll(/\$id: '([A-Za-z]+)'/g)].map(([, id]) => id ?? ''));
    ids.push(...[...text.matchAll(/\bcollection\('([A-Za-z]+)'/g)].map(([, id]) => id ?? ''));
    if (/routes\.ts$/.test(path))
      t.notMatch(codeOf(text), /\.code\(4\d\d\)|\bcode: '\d+'/, `${path} builds no error body`);
    t.notMatch(codeOf(text), /\bas any\b|: any\b|@ts-ignore|@ts-expect-error|\bTODO\b/, path);
  }
  t.ok(ids.length > 10);
  t.same(
    ids.filter((id, index) => ids.indexOf(id) !== index),
    [],
  );
  t.end();
});
