import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface Change {
  /** Below dist/src. */
  file: string;
  /** Has to be there once. */
  from: string;
  to: string;
}

/**
 * The built service with one line of it replaced: a guard taken out.
 * @returns its `cli.js`
 */
export async function buildVariant(workDir: string, name: string, { file, from, to }: Change): Promise<string> {
  const place = join(workDir, name);
  await mkdir(place);
  for (const entry of await readdir(root)) {
    if (entry !== 'dist' && !entry.startsWith('.')) await symlink(join(root, entry), join(place, entry));
  }
  const source = join(place, 'dist', 'src');
  await cp(join(root, 'dist', 'src'), source, { recursive: true });
  const text = await readFile(join(source, file), 'utf8');
  const parts = text.split(from);
  if (parts.length !== 2) throw new Error(`${file} has ${JSON.stringify(from)} ${parts.length - 1} times, not once`);
  await writeFile(join(source, file), parts.join(to));
  return join(source, 'cli.js');
}
