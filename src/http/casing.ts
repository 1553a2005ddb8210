import { ApiError } from '../errors/api-error.js';
import { shown } from './shown.js';

/** The part of JSON Schema that folding reads. */
interface JsonSchema {
  readonly $ref?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

export interface FoldOptions {
  /** `drop`: the Partner Center face ignores unknown members. `keep`: the validator refuses them. */
  readonly unknown: 'drop' | 'keep';
  /** The schema that a `$ref` names; undefined where there is none. */
  readonly resolve: (ref: string) => object | undefined;
}

type Fold = (value: unknown) => unknown;

const asIs: Fold = (value) => value;

function enumKey(text: string): string {
  return text.replaceAll('_', '').toLowerCase();
}

/**
 * Reads an enum value in any spelling published clients send (`OneTime`, `oneTime`, `ONE_TIME` for `one_time`) and
 * answers the declared one, or undefined for a text that is none of them.
 */
export function compileEnum<T extends string>(values: readonly T[]): (text: string) => T | undefined {
  const byKey = new Map(values.toReversed().map((value) => [enumKey(value), value]));
  const exact = new Map<string, T>(values.map((value) => [value, value]));
  return (text) => exact.get(text) ?? byKey.get(enumKey(text));
}

function constants(schema: JsonSchema): readonly unknown[] | undefined {
  if (schema.enum !== undefined) return schema.enum;
  if (schema.const !== undefined) return [schema.const];
  return schema.type === 'null' ? [null] : undefined;
}

function compileObject(
  properties: readonly (readonly [string, JsonSchema])[],
  compile: (s: JsonSchema) => Fold,
  drop: boolean,
): Fold {
  const known = new Map<string, { name: string; fold: Fold }>();
  for (const [name, schema] of properties) known.set(name.toLowerCase(), { name, fold: compile(schema) });
  const exact = new Map([...known.values()].map((member) => [member.name, member]));

  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    const folded: Record<string, unknown> = {};
    const sentAs = new Map<string, string>();
    for (const [sent, content] of Object.entries(value)) {
      const member = exact.get(sent) ?? known.get(sent.toLowerCase());
      if (member === undefined) {
        // Not an assignment: a member named __proto__ would become the prototype.
        if (!drop)
          Object.defineProperty(folded, sent, { value: content, enumerable: true, writable: true, configurable: true });
        continue;
      }
      const before = sentAs.get(member.name);
      if (before !== undefined) {
        throw new ApiError('InvalidInput', {
          description: `The properties ${shown(before)} and ${shown(sent)} are the same one here. Send it once.`,
        });
      }
      sentAs.set(member.name, sent);
      if (content !== null) folded[member.name] = member.fold(content);
    }
    return folded;
  };
}

/**
 * Prepares a function that copies a body into the spelling of its schema; do it once per route. Clients of Partner Center
 * send property names and enum values in PascalCase or camelCase and explicit nulls for what they do not set
 * (microsoft/partner-center-sdk-for-dotNET). Properties are renamed, null members left out, unknown members dropped or
 * kept, enum texts replaced by the declared value. Nothing is coerced: a value of the wrong type stays as it is, for
 * the validator. The function throws ApiError InvalidInput when two members are the same property.
 *
 * @throws Error where the schema cannot be folded: an unknown `$ref`, `allOf`, or a choice between two objects
 */
export function compileFolder(schema: object, options: FoldOptions): Fold {
  const byRef = new Map<string, Fold>();

  const compileRef = (ref: string): Fold => {
    const ready = byRef.get(ref);
    if (ready !== undefined) return ready;
    const target = options.resolve(ref);
    if (target === undefined) throw new Error(`There is no schema ${ref}`);
    // A schema may refer to itself: the wrapper is there before its content is.
    let content: Fold = asIs;
    byRef.set(ref, (value) => content(value));
    content = compile(target);
    return content;
  };

  const compile = (part: JsonSchema): Fold => {
    if (part.$ref !== undefined) return compileRef(part.$ref);
    if (part.allOf !== undefined || part.oneOf !== undefined) throw new Error('allOf and oneOf cannot be folded');
    const values = part.anyOf?.flatMap((branch) => constants(branch) ?? []) ?? constants(part);
    const branches = part.anyOf?.filter((branch) => constants(branch) === undefined) ?? [];
    if (branches.length > 1) throw new Error('anyOf of more than one schema that is not a constant cannot be folded');
    if (branches[0] !== undefined) return compile(branches[0]);
    if (values !== undefined) {
      const read = compileEnum(values.filter((value) => typeof value === 'string'));
      return (value) => (typeof value === 'string' ? (read(value) ?? value) : value);
    }
    if (part.properties !== undefined) {
      return compileObject(Object.entries(part.properties), compile, options.unknown === 'drop');
    }
    if (part.items !== undefined) {
      const item = compile(part.items);
      return (value) => (Array.isArray(value) ? value.map(item) : value);
    }
    return asIs;
  };

  return compile(schema);
}

const pascalCaseNames = new Map<string, string>();
/** Names are those of the service's own resources: few, but for what a customer may name. */
const MOST_NAMES = 1000;

/** A member's name in JSON, with its colon. */
function pascalCaseName(name: string): string {
  let text = pascalCaseNames.get(name);
  if (text === undefined) {
    text = `${JSON.stringify(name.charAt(0).toUpperCase() + name.slice(1))}:`;
    if (pascalCaseNames.size < MOST_NAMES) pascalCaseNames.set(name, text);
  }
  return text;
}

/**
 * JSON text with PascalCase member names and nulls kept (`tenantID` becomes `TenantID`): the form of
 * `resourceOldValue` and `resourceNewValue` in an audit record
 * (https://learn.microsoft.com/partner-center/developer/auditing-resources). As JSON.stringify makes it, which takes three
 * times as long when it has to ask for each name.
 */
export function toPascalCaseJson(value: unknown): string {
  if (typeof value !== 'object' || value === null || value instanceof Date) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => (item === undefined ? 'null' : toPascalCaseJson(item)))}]`;
  let members = '';
  for (const [name, content] of Object.entries(value)) {
    if (content !== undefined) members += `${members && ','}${pascalCaseName(name)}${toPascalCaseJson(content)}`;
  }
  return `{${members}}`;
}
