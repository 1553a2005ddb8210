import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

interface Component {
  'bom-ref': string;
  name: string;
  version: string;
  properties: { name: string; value: string }[];
}

/** The parts of a CycloneDX document that are looked into here. */
export interface Sbom {
  serialNumber: string;
  metadata: { timestamp?: string; component: Component };
  components: Component[];
  dependencies: { ref: string; dependsOn: string[] }[];
}

const isForDevelopment = ({ properties }: Component) =>
  properties.some(({ name, value }) => name === 'cdx:npm:package:development' && value === 'true');

/**
 * Leaves out what is for development alone. Not by `npm sbom --omit dev`: npm 11 then leaves out every package that a
 * development dependency needs too, e.g. `pg-types` and `semver`, 31 of 117 here.
 */
export function keepProduction(sbom: Sbom): Sbom {
  const components = sbom.components.filter((component) => !isForDevelopment(component));
  const kept = new Set([sbom.metadata.component, ...components].map((component) => component['bom-ref']));
  const dependencies = sbom.dependencies
    .filter(({ ref }) => kept.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((needed) => kept.has(needed)) }));
  return { ...sbom, components, dependencies };
}

/** An id that follows from the lockfile, so that the same lockfile makes the same document (RFC 9562, version 8). */
function serialNumberOf(lockfile: Buffer): string {
  const hex = createHash('sha256').update(lockfile).digest('hex');
  const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) % 4];
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `${variant}${hex.slice(17, 20)}`];
  return `urn:uuid:${parts.join('-')}-${hex.slice(20, 32)}`;
}

/** What the service consists of in production, as CycloneDX 1.5, from the lockfile in `directory`. */
export async function makeSbom(directory: string): Promise<Sbom> {
  const { stdout } = await promisify(execFile)(
    'npm',
    ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application', '--package-lock-only'],
    { cwd: directory, maxBuffer: 64 * 1024 * 1024 },
  );
  const sbom = keepProduction(JSON.parse(stdout) as Sbom);
  const { timestamp: _, ...metadata } = sbom.metadata;
  const { name } = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as { name: string };
  return {
    ...sbom,
    serialNumber: serialNumberOf(await readFile(join(directory, 'package-lock.json'))),
    // npm names it after its directory.
    metadata: { ...metadata, component: { ...metadata.component, name } },
  };
}
