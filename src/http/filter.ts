import { ApiError } from '../errors/api-error.js';
import { compileEnum } from './casing.js';
import { shown } from './shown.js';
import { parseStrictJsonText } from './strict-json.js';

const MAX_FILTER_BYTES = 1024;

/** In the order of their integer values 0 to 10: FieldFilter of https://learn.microsoft.com/partner-center/developer/utility-resources */
const operators = [
  'equals',
  'not_equals',
  'greater_than',
  'greater_than_or_equals',
  'less_than',
  'less_than_or_equals',
  'substring',
  'and',
  'or',
  'starts_with',
  'not_starts_with',
] as const;

export type FilterOperator = (typeof operators)[number];

/** The fields a route can filter by, each under its documented name, and what may be asked of it. */
export type FilterFields = ReadonlyMap<string, { readonly operators: readonly FilterOperator[] }>;

export interface FieldFilter {
  /** As the route spells it. */
  readonly field: string;
  readonly operator: FilterOperator;
  readonly value: string;
}

const readOperatorName = compileEnum(operators);

function refuse(description: string): ApiError {
  return new ApiError('InvalidInput', { description });
}

function readOperator(sent: unknown): FilterOperator | undefined {
  if (typeof sent === 'number') return operators[sent];
  if (typeof sent !== 'string') return undefined;
  return /^\d{1,2}$/.test(sent) ? operators[Number(sent)] : readOperatorName(sent);
}

/**
 * Checks a filter that came in parts, as `auditRequest.filter.field`, `.operator` and `.value` do.
 *
 * @param fields the allow-list; names are compared without case
 * @throws ApiError InvalidInput naming the allowed fields or operators
 */
export function acceptFilter(
  sent: { readonly field?: unknown; readonly operator?: unknown; readonly value?: unknown },
  fields: FilterFields,
): FieldFilter {
  const wanted = typeof sent.field === 'string' ? sent.field.toLowerCase() : undefined;
  const field = [...fields.keys()].find((name) => name.toLowerCase() === wanted);
  const allowed = field === undefined ? undefined : fields.get(field)?.operators;
  if (field === undefined || allowed === undefined) {
    const got =
      sent.field === undefined ? 'The filter has no Field' : `The filter field ${shown(sent.field)} is not known here`;
    throw refuse(`${got}. Allowed: ${[...fields.keys()].join(', ')}.`);
  }
  const operator = readOperator(sent.operator);
  if (operator === undefined || !allowed.includes(operator)) {
    const got =
      sent.operator === undefined
        ? 'The filter has no Operator'
        : `The filter operator ${shown(sent.operator)} is not possible`;
    throw refuse(`${got}. Allowed for ${field}: ${allowed.join(', ')}.`);
  }
  if (typeof sent.value !== 'string') throw refuse('The filter needs a Value, and it has to be a string.');
  return { field, operator, value: sent.value };
}

/**
 * Reads the `filter` query parameter: one condition on one field, as JSON in the .NET spelling
 * (`{"Field","Value","Operator":"starts_with"}`) or the Java one
 * (`{"operator":"StartsWith","fieldType","field","value"}`). Operators come in snake_case, PascalCase or as their
 * integer. Compound filters are refused; no operation offers one.
 *
 * @throws ApiError InvalidInput
 */
export function parseFilter(text: string, fields: FilterFields): FieldFilter {
  if (Buffer.byteLength(text) > MAX_FILTER_BYTES) throw refuse(`The filter is longer than ${MAX_FILTER_BYTES} bytes.`);
  const sent = parseStrictJsonText(text, 'filter');
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent)) {
    throw refuse('The filter has to be a JSON object with Field, Value and Operator.');
  }
  const parts = new Map<string, unknown>();
  for (const [name, value] of Object.entries(sent)) {
    const part = name.toLowerCase();
    if (!['field', 'value', 'operator', 'fieldtype'].includes(part)) {
      throw refuse(`The filter property ${shown(name)} is not known here. Allowed: Field, Value, Operator.`);
    }
    if (parts.has(part)) throw refuse(`The filter has the property ${shown(name)} twice. Send it once.`);
    parts.set(part, value);
  }
  return acceptFilter(
    { field: parts.get('field'), operator: parts.get('operator'), value: parts.get('value') },
    fields,
  );
}
