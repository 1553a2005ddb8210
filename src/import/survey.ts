import { isUuid } from '../lib/uuid.js';
import { faultOf, readExport, type Source } from './read-export.js';
import { KIND_NAMES, type KindName, recognize } from './recognize.js';

/** The files cannot be imported as they were given. The message is one sentence. */
export class ImportError extends Error {}

export interface Surveyed {
  source: Source;
  /** By its first resource; undefined: it holds none that is known. */
  kind: KindName | undefined;
  /** The first resources, two at most. */
  first: readonly object[];
  fault: { index: number; reason: string } | undefined;
}

/** Looks into a file no further than to know what it holds. */
export async function survey(source: Source): Promise<Surveyed> {
  const first: object[] = [];
  const resources = readExport(source);
  try {
    for (let next = await resources.next(); !next.done && first.length < 2; next = await resources.next()) {
      if ('value' in next.value) first.push(next.value.value);
    }
  } catch (error) {
    return { source, kind: undefined, first, fault: faultOf(error) };
  } finally {
    await resources.return({ hasNextPage: false });
  }
  return { source, kind: first[0] && recognize(first[0]), first, fault: undefined };
}

/** In the order in which the kinds refer to each other, whatever the order they were named in. */
export function inOrder(files: readonly Surveyed[]): Surveyed[] {
  const rank = ({ kind }: Surveyed) => (kind === undefined ? KIND_NAMES.length : KIND_NAMES.indexOf(kind));
  return [...files].sort((a, b) => rank(a) - rank(b));
}

function idIn(resource: object, ...names: readonly string[]): string | undefined {
  for (const wanted of names) {
    const found = Object.entries(resource).find(([name]) => name.toLowerCase() === wanted)?.[1];
    if (typeof found === 'string' && isUuid(found)) return found.toLowerCase();
  }
  return undefined;
}

/**
 * The partner that is imported for: the named one, else that of the organization profile among the files, else the only
 * one there is. @throws ImportError
 */
export function partnerOf(files: readonly Surveyed[], named: string | undefined, present: readonly string[]): string {
  if (named !== undefined) return named.toLowerCase();
  const profiles = files.filter(({ kind }) => kind === 'organization').flatMap(({ first }) => first);
  const inFiles = new Set(profiles.map((profile) => idIn(profile, 'tenantid', 'id')));
  const candidates = inFiles.size > 0 ? [...inFiles] : present;
  const [only, ...others] = candidates;
  if (only !== undefined && others.length === 0) return only;
  throw new ImportError(
    candidates.length === 0
      ? 'No partner is known: import its organization profile (GET /v1/profiles/organization), too.'
      : 'There are several partners: name the one to import for by --partner.',
  );
}

/** The customer of resources that name none: the named one, else the only one among the files. */
export function customerOf(files: readonly Surveyed[], named: string | undefined): string | undefined {
  if (named !== undefined) return named.toLowerCase();
  const [only, ...others] = files.filter(({ kind }) => kind === 'customers').flatMap(({ first }) => first);
  return only && others.length === 0 ? idIn(only, 'id') : undefined;
}
