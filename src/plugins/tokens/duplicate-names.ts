const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:]/gs;

/**
 * Whether an object of the JSON text, at any depth, has a name twice. `JSON.parse` keeps the last one silently, other
 * parsers the first: a token read in two ways. Names are compared as they decode, so `"t\u0069d"` is `"tid"`.
 * @param json must be valid JSON
 */
export function hasDuplicateNames(json: string): boolean {
  const open: Set<string>[] = [];
  let lastString = '';
  for (const [token] of json.matchAll(TOKENS)) {
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (token !== ':') lastString = token;
    else {
      const names = open.at(-1);
      const name = JSON.parse(lastString) as string;
      if (!names || names.has(name)) return true;
      names.add(name);
    }
  }
  return false;
}
