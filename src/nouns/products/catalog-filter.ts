import { ApiError } from '../../errors/api-error.js';

/** What `$filter` of the reservation catalogue asks for: one of these, each whole. Lower case. */
export interface CatalogCondition {
  name?: string;
  resourceType?: string;
  locations?: string;
}

const MAX_LENGTH = 1024;
const TERM = /^(name|resourceType|locations) eq '([^']{1,200})'$/i;
const NAMES = { name: 'name', resourcetype: 'resourceType', locations: 'locations' } as const;

function invalid(): ApiError {
  return new ApiError('InvalidInput', {
    armCode: 'InvalidFilter',
    description:
      "The $filter is not supported. Supported: name, resourceType and locations with eq '{text}', joined by and and or, without parentheses.",
  });
}

/**
 * Reads `$filter` of the catalogue, which "supports 'eq', 'or', and 'and'"
 * (https://learn.microsoft.com/rest/api/reserved-vm-instances/get-catalog). `and` binds closer than `or`.
 * @throws ApiError InvalidInput, ARM code InvalidFilter
 */
export function parseCatalogFilter(text: string): CatalogCondition[] {
  if (text.length > MAX_LENGTH) throw invalid();
  return text
    .trim()
    .split(/ +or +/i)
    .map((alternative) => {
      const condition: CatalogCondition = {};
      for (const term of alternative.split(/ +and +/i)) {
        const [, field = '', value = ''] = TERM.exec(term) ?? [];
        const name = NAMES[field.toLowerCase() as keyof typeof NAMES];
        if (name === undefined || condition[name] !== undefined) throw invalid();
        condition[name] = value.toLowerCase();
      }
      return condition;
    });
}
