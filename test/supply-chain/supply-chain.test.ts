import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { isPermissive } from './licences.js';
import { findFaults, type LockedPackage, type Lockfile, listProductionPackages } from './lockfile.js';
import { keepProduction, makeSbom, type Sbom } from './sbom.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const lockfile = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as Lockfile;

const harmless: LockedPackage = {
  version: '1.0.0',
  license: 'MIT',
  integrity: 'sha512-x',
  resolved: 'https://registry.npmjs.org/harmless/-/harmless-1.0.0.tgz',
};

t.test('a licence is permissive when one way through its expression is', (t) => {
  for (const permissive of ['MIT', '(BSD-3-Clause OR GPL-2.0)', 'MIT AND (ISC OR GPL-3.0-only)', '(MIT)']) {
    t.equal(isPermissive(permissive), true, permissive);
  }
  for (const other of [
    undefined,
    '',
    'GPL-2.0',
    'AGPL-3.0-only',
    'UNLICENSED',
    'SEE LICENSE IN LICENSE',
    'MIT AND GPL-2.0',
    'MIT OR',
    'MIT MIT',
    '(MIT',
    'MIT)',
    'Apache-2.0 WITH LLVM-exception',
    'mit',
  ]) {
    t.equal(isPermissive(other), false, String(other));
  }
  t.end();
});

t.test('the lockfile puts into production what is permissive, has a checksum and is not too much', (t) => {
  t.ok(listProductionPackages(lockfile).length > 50);
  t.same(findFaults(lockfile), []);
  t.end();
});

t.test('what the lockfile must not have is found', (t) => {
  const withPackage = (locked: LockedPackage) =>
    findFaults({ packages: { '': {}, 'node_modules/a/node_modules/@scope/planted': { ...harmless, ...locked } } });
  t.same(withPackage({}), []);
  t.same(withPackage({ license: 'AGPL-3.0-only' }), ['@scope/planted@1.0.0 is under AGPL-3.0-only']);
  t.same(withPackage({ license: 'AGPL-3.0-only', dev: true }), [], 'of development alone nothing is shipped');
  t.same(withPackage({ integrity: 'sha1-x' }), ['@scope/planted@1.0.0 has no SHA-512 checksum']);
  t.same(withPackage({ resolved: 'git+ssh://git@example.com/a.git' }), [
    '@scope/planted@1.0.0 comes from git+ssh://git@example.com/a.git',
  ]);
  const { license: _, ...unlicensed } = harmless;
  t.same(findFaults({ packages: { 'node_modules/planted': unlicensed } }), ['planted@1.0.0 is under no licence']);
  const many = (count: number) => ({
    packages: Object.fromEntries(Array.from({ length: count }, (_, n) => [`node_modules/p${n}`, harmless])),
  });
  t.same(findFaults(many(140)), []);
  t.same(findFaults(many(141)), ['141 production packages, and 140 at the most']);
  t.end();
});

t.test('the bill of materials lists what the lockfile puts into production, and is the same every time', async (t) => {
  const [sbom, again] = await Promise.all([makeSbom(root), makeSbom(root)]);
  t.same(again, sbom);
  t.match(sbom, { bomFormat: 'CycloneDX', metadata: { component: { name: 'customer-permissions' } } });
  t.match(sbom.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const locked = listProductionPackages(lockfile).map(({ name, locked }) => `${name}@${locked.version}`);
  t.same(
    sbom.components.map((component) => `${component.name}@${component.version}`).sort(),
    [...new Set(locked)].sort(),
  );
  const known = new Set([sbom.metadata.component, ...sbom.components].map((component) => component['bom-ref']));
  for (const { ref, dependsOn } of sbom.dependencies) {
    for (const id of [ref, ...dependsOn]) t.ok(known.has(id), `${id} is a component`);
  }
});

t.test('a package for development alone is not in the bill of materials, nor named in it', (t) => {
  const component = (name: string, development: boolean) => ({
    'bom-ref': `${name}@1.0.0`,
    name,
    version: '1.0.0',
    properties: development ? [{ name: 'cdx:npm:package:development', value: 'true' }] : [],
  });
  const whole: Sbom = {
    serialNumber: '',
    metadata: { component: component('root', false) },
    components: [component('kept', false), component('tool', true)],
    dependencies: [
      { ref: 'root@1.0.0', dependsOn: ['kept@1.0.0', 'tool@1.0.0'] },
      { ref: 'tool@1.0.0', dependsOn: ['kept@1.0.0'] },
    ],
  };
  t.match(keepProduction(whole), {
    components: [{ name: 'kept' }],
    dependencies: [{ ref: 'root@1.0.0', dependsOn: ['kept@1.0.0'] }],
  });
  t.equal(keepProduction(whole).dependencies.length, 1);
  t.end();
});
