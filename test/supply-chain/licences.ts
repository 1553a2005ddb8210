/** Licences that ask for no more than their own text to be kept. */
const PERMISSIVE: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
]);

/**
 * Whether a package may be had under permissive licences alone. An exception (`WITH`) and what is no SPDX expression count
 * as not permissive: somebody has to read them.
 * @param expression SPDX, e.g. `MIT` or `(BSD-3-Clause OR GPL-2.0)`
 */
export function isPermissive(expression: string | undefined): boolean {
  const tokens = expression?.match(/[()]|[^\s()]+/g) ?? [];
  let at = 0;
  const either = (): boolean => {
    let result = both();
    while (tokens[at] === 'OR') {
      at++;
      result = both() || result;
    }
    return result;
  };
  const both = (): boolean => {
    let result = one();
    while (tokens[at] === 'AND') {
      at++;
      result = one() && result;
    }
    return result;
  };
  const one = (): boolean => {
    const token = tokens[at++];
    if (token !== '(') return PERMISSIVE.has(token ?? '');
    const result = either();
    return tokens[at++] === ')' && result;
  };
  return either() && at === tokens.length;
}
