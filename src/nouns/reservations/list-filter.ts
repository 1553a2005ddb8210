import { ApiError } from '../../errors/api-error.js';
import { shown } from '../../http/shown.js';

/** How values of a property are compared. */
export type PropertyKind = 'text' | 'boolean' | 'number' | 'time' | 'day';

/**
 * What reservations can be filtered and ordered by, each under its documented name
 * (https://learn.microsoft.com/rest/api/reserved-vm-instances/reservation/list-all).
 */
export const LIST_PROPERTIES = {
  'sku/name': 'text',
  'properties/appliedScopeType': 'text',
  'properties/archived': 'boolean',
  'properties/displayName': 'text',
  'properties/displayProvisioningState': 'text',
  'properties/effectiveDateTime': 'time',
  'properties/expiryDate': 'day',
  'properties/expiryDateTime': 'time',
  'properties/provisioningState': 'text',
  'properties/quantity': 'number',
  'properties/renew': 'boolean',
  'properties/reservedResourceType': 'text',
  'properties/term': 'text',
  'properties/userFriendlyAppliedScopeType': 'text',
  'properties/userFriendlyRenewState': 'text',
} as const satisfies Record<string, PropertyKind>;

export type ListProperty = keyof typeof LIST_PROPERTIES;
export type Comparison = 'eq' | 'ne' | 'gt' | 'ge' | 'lt' | 'le';

export type ListFilter =
  | { all: readonly ListFilter[] }
  | { any: readonly ListFilter[] }
  /** `value`: text as sent, time and day in ISO 8601, number and boolean as they are written in JSON. */
  | { property: ListProperty; comparison: Comparison; value: string };

export interface ListOrder {
  property: ListProperty;
  descending: boolean;
}

const MAX_LENGTH = 2048;
const MAX_DEPTH = 16;
const names = new Map(Object.keys(LIST_PROPERTIES).map((name) => [name.toLowerCase(), name as ListProperty]));

const TOKEN = /\s*(?:([()])|'((?:[^']|'')*)'|([^\s()']+))/y;
const DAY = /^(\d{4})-\d{2}-\d{2}$/;
const TIME = /^(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/i;

function invalid(description: string): ApiError {
  return new ApiError('InvalidInput', { armCode: 'InvalidFilter', description });
}

type Token = { mark: '(' | ')' } | { literal: string } | { word: string };

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < end; ) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) throw invalid(`The $filter cannot be read from ${shown(text.slice(at))} on. Close every quote.`);
    const [, mark, literal, word = ''] = match;
    if (mark === '(' || mark === ')') tokens.push({ mark });
    else tokens.push(literal === undefined ? { word } : { literal: literal.replaceAll("''", "'") });
  }
  return tokens;
}

function readProperty(text: string, parameter: '$filter' | '$orderby'): ListProperty {
  const name = names.get(text.toLowerCase());
  if (name) return name;
  throw invalid(`${parameter} does not know ${shown(text)}. Known: ${[...names.values()].join(', ')}.`);
}

function isDay(text: string): boolean {
  const at = new Date(text);
  return !Number.isNaN(at.getTime()) && !text.startsWith('0000') && at.toISOString().startsWith(text);
}

function readValue(property: ListProperty, token: Token | undefined): string {
  const kind = LIST_PROPERTIES[property];
  const quoted = token !== undefined && 'literal' in token;
  const text = quoted ? token.literal : token !== undefined && 'word' in token ? token.word : '';
  switch (kind) {
    case 'text':
      if (quoted) return text;
      throw invalid(`${property} is compared with text in single quotes.`);
    case 'boolean':
      if (!quoted && /^(true|false)$/i.test(text)) return text.toLowerCase();
      throw invalid(`${property} is compared with true or false.`);
    case 'number':
      if (!quoted && /^-?\d{1,15}$/.test(text)) return text;
      throw invalid(`${property} is compared with an integer.`);
    case 'day':
      if (DAY.test(text) && isDay(text)) return text;
      throw invalid(`${property} is compared with a date, as in 2027-09-22.`);
    case 'time': {
      if (DAY.test(text) && isDay(text)) return `${text}T00:00:00Z`;
      const day = TIME.exec(text)?.[1];
      const at = new Date(text);
      if (day !== undefined && isDay(day) && !Number.isNaN(at.getTime()) && at.getUTCFullYear() > 0) {
        return at.toISOString();
      }
      throw invalid(`${property} is compared with a time, as in 2027-09-22T00:00:00Z.`);
    }
  }
}

function isComparison(text: string): text is Comparison {
  return ['eq', 'ne', 'gt', 'ge', 'lt', 'le'].includes(text);
}

/**
 * Reads `$filter` of reservations: comparisons of the listed properties, `and`, `or` and parentheses; names and operators
 * in any letter case.
 * @throws ApiError InvalidInput, ARM code InvalidFilter, that names what cannot be
 */
export function parseListFilter(text: string): ListFilter {
  if (text.length > MAX_LENGTH) throw invalid(`The $filter is longer than ${MAX_LENGTH} characters.`);
  const tokens = tokensOf(text);
  let at = 0;
  const peekWord = () => {
    const token = tokens[at];
    return token && 'word' in token ? token.word : undefined;
  };
  const takeMark = (mark: '(' | ')') => {
    const token = tokens[at];
    const found = token !== undefined && 'mark' in token && token.mark === mark;
    if (found) at++;
    return found;
  };
  const takeWord = (word: 'and' | 'or') => {
    const found = peekWord()?.toLowerCase() === word;
    if (found) at++;
    return found;
  };

  function any(depth: number): ListFilter {
    const parts = [all(depth)];
    while (takeWord('or')) parts.push(all(depth));
    return parts.length === 1 && parts[0] ? parts[0] : { any: parts };
  }
  function all(depth: number): ListFilter {
    const parts = [one(depth)];
    while (takeWord('and')) parts.push(one(depth));
    return parts.length === 1 && parts[0] ? parts[0] : { all: parts };
  }
  function one(depth: number): ListFilter {
    if (takeMark('(')) {
      if (depth === MAX_DEPTH) throw invalid(`The $filter has more than ${MAX_DEPTH} parentheses in each other.`);
      const inner = any(depth + 1);
      if (!takeMark(')')) throw invalid('The $filter has a parenthesis that is not closed.');
      return inner;
    }
    const name = peekWord();
    if (name === undefined) throw invalid('The $filter has to be comparisons, as in properties/archived eq false.');
    const property = readProperty(name, '$filter');
    at++;
    const comparison = peekWord()?.toLowerCase() ?? '';
    const possible = isComparison(comparison) ? comparison : undefined;
    const ordered = LIST_PROPERTIES[property] !== 'boolean';
    if (!possible || !(ordered || possible === 'eq' || possible === 'ne')) {
      throw invalid(
        `The $filter cannot use ${shown(comparison)} on ${property}. Possible: ${ordered ? 'eq, ne, gt, ge, lt, le' : 'eq, ne'}.`,
      );
    }
    at++;
    const value = readValue(property, tokens[at]);
    at++;
    return { property, comparison: possible, value };
  }

  const filter = any(0);
  if (at < tokens.length) {
    throw invalid('The $filter goes on after its end. Join comparisons by and or or, and close what was opened.');
  }
  return filter;
}

/**
 * Reads `$orderby`: one listed property, `asc` or `desc`.
 * @throws ApiError InvalidInput, ARM code InvalidFilter
 */
export function parseListOrder(text: string): ListOrder {
  const [name = '', direction = 'asc', ...more] = text.trim().split(/\s+/);
  if (more.length > 0 || !/^(asc|desc)$/i.test(direction)) {
    throw invalid('$orderby is one property, with asc or desc behind it, as in properties/displayName asc.');
  }
  return { property: readProperty(name, '$orderby'), descending: direction.toLowerCase() === 'desc' };
}
