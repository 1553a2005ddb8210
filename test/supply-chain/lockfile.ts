import { isPermissive } from './licences.js';

/** What package-lock.json says of one installed package; those of development alone have `dev`. */
export interface LockedPackage {
  version?: string;
  license?: string;
  integrity?: string;
  resolved?: string;
  dev?: boolean;
}

export interface Lockfile {
  packages: Readonly<Record<string, LockedPackage>>;
}

/** Every package adds to what has to be trusted and watched. */
export const MOST_PRODUCTION_PACKAGES = 140;

/** The packages of an installation without development, with the optional ones of every platform. */
export function listProductionPackages(lockfile: Lockfile): { name: string; locked: LockedPackage }[] {
  return Object.entries(lockfile.packages)
    .filter(([path, locked]) => path !== '' && !locked.dev)
    .map(([path, locked]) => ({
      name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
      locked,
    }));
}

/** What is wrong with the packages that a lockfile puts into production, one sentence each. */
export function findFaults(lockfile: Lockfile): string[] {
  const packages = listProductionPackages(lockfile);
  const faults = packages.flatMap(({ name, locked }) => {
    const { version, license, integrity = '', resolved } = locked;
    return [
      ...(isPermissive(license) ? [] : [`${name}@${version} is under ${license ?? 'no licence'}`]),
      ...(integrity.startsWith('sha512-') ? [] : [`${name}@${version} has no SHA-512 checksum`]),
      ...(resolved === undefined || resolved.startsWith('https://registry.npmjs.org/')
        ? []
        : [`${name}@${version} comes from ${resolved}`]),
    ];
  });
  if (packages.length > MOST_PRODUCTION_PACKAGES) {
    faults.push(`${packages.length} production packages, and ${MOST_PRODUCTION_PACKAGES} at the most`);
  }
  return faults;
}
