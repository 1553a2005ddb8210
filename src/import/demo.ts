import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseHandle } from '../db/connect.js';
import type { PermissionRules } from '../nouns/purchase-permissions/service.js';
import { importFiles } from './import-files.js';
import { findPartner } from './queries.js';
import type { Source } from './read-export.js';

/** Stands in a demo file for the moment of loading: a role that was granted just now. */
const NOW = '{{now}}';
/** The partners of the demo, by their folders. */
const PARTNERS = {
  contoso: '634f6379-ad54-449b-9821-564f737158ab',
  fabrikam: 'b36d1c8a-3f5e-4f0e-9a36-6f1f0c2b7d11',
};
/** Comes last: a partner that has its MPN id was loaded whole. */
const LAST_FILE = 'mpn.json';

function demoSource(path: string, now: Date): Source {
  return {
    name: path,
    async *open() {
      yield Buffer.from((await readFile(path, 'utf8')).replaceAll(NOW, now.toISOString()));
    },
  };
}

/** A folder of one customer, or the partner's own files, in the order of their loading. */
async function foldersOf(partnerDir: string): Promise<string[][]> {
  const entries = await readdir(partnerDir, { withFileTypes: true });
  const own = entries.filter((entry) => entry.isFile()).map((entry) => join(partnerDir, entry.name));
  const folders: string[][] = [own.filter((path) => !path.endsWith(LAST_FILE))];
  for (const entry of entries.filter((entry) => entry.isDirectory()).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const names = await readdir(join(partnerDir, entry.name));
    folders.push(names.sort().map((name) => join(partnerDir, entry.name, name)));
  }
  folders.push([join(partnerDir, LAST_FILE)]);
  return folders;
}

/**
 * Loads the demo tenant once: its exports, by the importer. A second process that starts at the same time imports the same
 * files behind the first, which changes nothing.
 * @throws Error when a demo file is refused
 */
export async function loadDemo(
  db: DatabaseHandle,
  demoDir: string,
  rules: PermissionRules,
  log: (line: string) => void,
): Promise<void> {
  const now = new Date();
  for (const [name, partnerId] of Object.entries(PARTNERS)) {
    const partner = await db.read(partnerId, (reading) => findPartner(reading, partnerId));
    if (partner?.mpn_id) continue;
    let rows = 0;
    for (const paths of await foldersOf(join(demoDir, name))) {
      const sources = paths.map((path) => demoSource(path, now));
      const { files } = await importFiles(db, sources, { rules, partnerId });
      for (const { file, refused } of files) {
        const [first] = refused;
        if (first) throw new Error(`${file} ${first.pointer}: ${first.reason}`);
      }
      rows += files.reduce((sum, file) => sum + file.rows, 0);
    }
    log(`Loaded the demo partner ${name}: ${rows} resources.`);
  }
}
