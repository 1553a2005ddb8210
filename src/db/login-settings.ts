/** A setting of PostgreSQL that the service needs on its login. */
export interface LoginSetting {
  name: string;
  /** As `migrate` sets it. */
  value: string;
  /** What is wrong with another value, as the rest of a sentence about the login; undefined where the value will do. */
  fault(value: string): string | undefined;
}

const unless = (wanted: string, fault: string) => (value: string) => (value === wanted ? undefined : fault);
const unlimited = (name: string) => (value: string) => (value === '0' ? `has no ${name}` : undefined);
const QUIET: readonly string[] = ['error', 'fatal', 'panic'];

/**
 * What a promise rests on, whatever the server or the database sets: `migrate` sets it on the login, the start check
 * demands it. Timeouts live on the role: as startup parameters a transaction pooler refuses them (08P01).
 */
export const LOGIN_SETTINGS: readonly LoginSetting[] = [
  { name: 'lock_timeout', value: '1s', fault: unlimited('lock_timeout') },
  { name: 'statement_timeout', value: '2s', fault: unlimited('statement_timeout') },
  {
    // The driver reads no other dates than those of ISO 8601, and takes others for none.
    name: 'DateStyle',
    value: 'ISO',
    fault: (value) =>
      value.startsWith('ISO') ? undefined : `is told dates as ${value.split(',')[0]}, which the service does not read`,
  },
  {
    // What is read behind a lock has to be what was committed when it was granted.
    name: 'default_transaction_isolation',
    value: 'read committed',
    fault: (value) =>
      value === 'read committed'
        ? undefined
        : `begins transactions as ${value}, which shows them what was there before they had the lock`,
  },
  {
    // A commit that did not reach the synchronous standby is told by a warning alone.
    name: 'client_min_messages',
    value: 'warning',
    fault: (value) => (QUIET.includes(value) ? 'is not told that a commit has not reached the standby' : undefined),
  },
  {
    // The migrations make the tables there. PostgreSQL's own value will do: "$user" is a schema of the login's name.
    name: 'search_path',
    value: 'public',
    fault: (value) =>
      /^("\$user", *)?public\b/.test(value) ? undefined : `looks for tables in ${value}, before it does in public`,
  },
  {
    name: 'row_security',
    value: 'on',
    fault: unless('on', 'is refused every row, as row_security is off and row-level security binds it'),
  },
  {
    name: 'array_nulls',
    value: 'on',
    fault: unless('on', 'has array_nulls off, so that nothing in an array is taken for the word NULL'),
  },
];
