/** A rule that a migrated database can be read against. */
export interface CatalogueRule {
  id: string;
  says: string;
  /** Answers one row per breach: `at` names it. */
  query: string;
  /** A schema change that breaks the rule, and the breach that has to be found then. */
  breach: readonly [ddl: string, at: string];
}

/** Breaches that are meant, with the reason. One that no longer happens has to go. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {
  'S1-index customers_by_tenant':
    "a caller's tenant is looked up before its partner is known; not unique, so no oracle",
  'S10-type activity_log.hash_version': 'a version of the chain: below 10 for a lifetime, and no key',
  'S10-type request_ledger.status': 'an HTTP status has three digits',
  'S13-policy customers.customers_of_tenant': 'the look-up of a tenant, reading only',
  'S13-policy partners.partners_of_watch': 'the watch walks partner by partner, reading only',
  'S13-policy webhook_events.webhook_events_of_watch': 'which partners have events to be sent, reading only',
};

// The migrator's own tables stay on one node and are read at the start alone.
const TABLES = `(select c.* from pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'f') and c.relname not like 'kysely%')`;
const INDEXES = `(select i.*, c.relname as index, t.relname as table_name, (select a.attname from pg_attribute a
    where a.attrelid = i.indrelid and a.attnum = i.indkey[0]) as first_column
  from pg_index i join pg_class c on c.oid = i.indexrelid join ${TABLES} t on t.oid = i.indrelid)`;
const CONSTRAINTS = `(select k.*, t.relname as table_name from pg_constraint k join ${TABLES} t on t.oid = k.conrelid)`;
const COLUMNS = `(select a.*, t.relname as table_name from pg_attribute a join ${TABLES} t on t.oid = a.attrelid
  where a.attnum > 0 and not a.attisdropped)`;
const OF_PARTNER = `(partner_id = (NULLIF(current_setting(''app.partner_id''::text, true), ''''::text))::uuid)`;

export const CATALOGUE_RULES: readonly CatalogueRule[] = [
  {
    id: 'S1-table',
    says: 'every table starts with partner_id uuid not null',
    query: `select t.relname as at from ${TABLES} t where not exists (select from pg_attribute a
      where a.attrelid = t.oid and a.attnum = 1 and a.attname = 'partner_id' and a.atttypid = 'uuid'::regtype and a.attnotnull)`,
    breach: ['create table planted (id uuid not null, partner_id uuid not null)', 'planted'],
  },
  {
    id: 'S1-key',
    says: 'every table has a primary key',
    query: `select t.relname as at from ${TABLES} t
      where not exists (select from pg_index i where i.indrelid = t.oid and i.indisprimary)`,
    breach: ['create table planted (partner_id uuid not null)', 'planted'],
  },
  {
    id: 'S1-index',
    says: 'every index starts with partner_id',
    query: `select i.index as at from ${INDEXES} i where i.first_column is distinct from 'partner_id'`,
    breach: ['create index planted on orders (customer_id)', 'planted'],
  },
  {
    id: 'S2-unique',
    says: 'every primary and unique key starts with partner_id, without exception',
    query: `select i.index as at from ${INDEXES} i where i.indisunique and i.first_column is distinct from 'partner_id'`,
    breach: ['create unique index planted on orders (order_id)', 'planted'],
  },
  {
    id: 'S3-foreign',
    says: 'every foreign key starts with partner_id on both sides',
    query: `select k.table_name || '.' || k.conname as at from ${CONSTRAINTS} k where k.contype = 'f' and not (
      exists (select from pg_attribute a where a.attrelid = k.conrelid and a.attnum = k.conkey[1] and a.attname = 'partner_id') and
      exists (select from pg_attribute a where a.attrelid = k.confrelid and a.attnum = k.confkey[1] and a.attname = 'partner_id'))`,
    breach: [
      `create table planted_parent (partner_id uuid not null, id uuid unique);
       alter table orders add constraint planted foreign key (bought_by_id) references planted_parent (id)`,
      'orders.planted',
    ],
  },
  {
    id: 'S9-sequence',
    says: 'no sequence, serial or identity column',
    query: `select c.relname as at from pg_class c where c.relkind = 'S' and c.relnamespace = 'public'::regnamespace`,
    breach: ['alter table orders add planted bigint generated always as identity', 'orders_planted_seq'],
  },
  {
    id: 'S9-default',
    says: 'no default calls a function that is not immutable: times and ids are made in the application',
    query: `select c.table_name || '.' || c.attname as at from ${COLUMNS} c
      join pg_attrdef d on d.adrelid = c.attrelid and d.adnum = c.attnum
      where d.adbin::text ~ 'SQLVALUEFUNCTION|NEXTVALUEEXPR' or exists (
        select from regexp_matches(d.adbin::text, ':(?:op)?funcid (\\d+)', 'g') as called (id)
        join pg_proc p on p.oid = called.id[1]::oid where p.provolatile <> 'i')`,
    breach: ['alter table orders add planted timestamptz default now() + interval $$1 day$$', 'orders.planted'],
  },
  {
    id: 'S10-type',
    says: 'times with zone, whole numbers as bigint, text without length, no enum, domain or composite type',
    query: `select c.table_name || '.' || c.attname as at from ${COLUMNS} c
      join pg_type t on t.oid = c.atttypid left join pg_type e on e.oid = t.typelem and t.typcategory = 'A'
      where coalesce(e.typname, t.typname) not in ('uuid', 'text', 'bigint', 'int8', 'numeric', 'bool', 'timestamptz', 'jsonb', 'bytea')
        or c.atttypmod <> -1`,
    breach: ['create type planted as enum ($$a$$); alter table orders add planted planted', 'orders.planted'],
  },
  {
    id: 'S10-collation',
    says: 'text in an index is compared by its bytes',
    query: `select i.index as at from ${INDEXES} i
      where exists (select from unnest(i.indcollation) as used (id) where used.id not in (0, 'pg_catalog."C"'::regcollation))`,
    breach: ['create index planted on orders (partner_id, bought_by)', 'planted'],
  },
  {
    id: 'S11-trigger',
    says: 'no trigger and no rule',
    query: `select t.relname || '.' || g.tgname as at from pg_trigger g join ${TABLES} t on t.oid = g.tgrelid where not g.tgisinternal
      union all select t.relname || '.' || r.rulename from pg_rewrite r join ${TABLES} t on t.oid = r.ev_class`,
    breach: [
      `create trigger planted before update on orders for each row execute function suppress_redundant_updates_trigger()`,
      'orders.planted',
    ],
  },
  {
    id: 'S11-constraint',
    says: 'no deferrable and no exclusion constraint: what fails at COMMIT looks like a lost worker',
    query: `select k.table_name || '.' || k.conname as at from ${CONSTRAINTS} k where k.condeferrable or k.contype = 'x'`,
    breach: ['alter table orders add constraint planted unique (partner_id, order_id) deferrable', 'orders.planted'],
  },
  {
    id: 'S11-function',
    says: 'no function, view or extension: nothing that a database without them could not run',
    query: `select p.proname::text as at from pg_proc p where p.pronamespace = 'public'::regnamespace
      union all select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('v', 'm')
        and c.relname !~ '^(citus|pg_dist)_'
      union all select e.extname from pg_extension e where e.extname not in ('plpgsql', 'citus', 'citus_columnar')`,
    breach: ['create view planted as select partner_id from orders', 'planted'],
  },
  {
    id: 'S12-append',
    says: 'what is evidence can be inserted and read, not changed',
    query: `select g.table_name || '.' || lower(g.privilege_type) as at from information_schema.role_table_grants g
      where g.table_schema = 'public' and g.grantee = 'customer_permissions_app' and g.privilege_type not in ('SELECT', 'INSERT')
        and g.table_name in ('activity_log', 'price_books', 'customer_agreements', 'reservation_revisions', 'refunds')`,
    breach: ['grant update on refunds to customer_permissions_app', 'refunds.update'],
  },
  {
    id: 'S12-grant',
    says: 'nobody but the owner and the service has a right, and the service none beyond the four of rows',
    query: `select g.table_name || '.' || lower(g.privilege_type) as at from information_schema.role_table_grants g
      join ${TABLES} t on t.relname = g.table_name
      where g.table_schema = 'public' and g.grantee <> pg_get_userbyid(t.relowner)
        and (g.grantee <> 'customer_permissions_app' or g.privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE'))`,
    breach: ['grant select on orders to public', 'orders.select'],
  },
  {
    id: 'S13-forced',
    says: 'row-level security is on, for the owner too',
    query: `select t.relname as at from ${TABLES} t where not (t.relrowsecurity and t.relforcerowsecurity)`,
    breach: ['alter table orders no force row level security', 'orders'],
  },
  {
    id: 'S13-partner',
    says: 'every table has the one policy that holds its rows against app.partner_id, for reading and writing',
    query: `select t.relname as at from ${TABLES} t where not exists (select from pg_policies p where p.schemaname = 'public'
      and p.tablename = t.relname and p.cmd = 'ALL' and p.roles = '{public}'
      and p.qual = '${OF_PARTNER}' and p.with_check = '${OF_PARTNER}')`,
    breach: ['alter policy orders_of_partner on orders using (true)', 'orders'],
  },
  {
    id: 'S13-policy',
    says: 'no other policy opens a table',
    query: `select p.tablename || '.' || p.policyname as at from pg_policies p where p.schemaname = 'public'
      and not (p.cmd = 'ALL' and p.qual = '${OF_PARTNER}' and p.with_check = '${OF_PARTNER}')`,
    breach: ['create policy planted on orders for select using (total_minor = 0)', 'orders.planted'],
  },
  {
    id: 'S17-chain',
    says: 'each entry has its number, hash, the hash before and their version, and the customer the head of the chain',
    query: `select n.table_name || '.' || n.name as at from (values ('activity_log', 'seq'), ('activity_log', 'hash'),
        ('activity_log', 'previous_hash'), ('activity_log', 'hash_version'), ('activity_log', 'request_id'),
        ('customers', 'log_seq'), ('customers', 'log_head')) as n (table_name, name)
      where not exists (select from ${COLUMNS} c where c.table_name = n.table_name and c.attname = n.name and c.attnotnull)
      union all select 'activity_log' where not exists (select from ${INDEXES} i where i.table_name = 'activity_log' and i.indisunique
        and pg_get_indexdef(i.indexrelid) like '% (partner_id, customer_id, seq)')`,
    breach: ['alter table activity_log alter previous_hash drop not null', 'activity_log.previous_hash'],
  },
  {
    id: 'S18-request',
    says: 'a partner has a request id once in the ledger',
    query: `select 'request_ledger' as at where not exists (select from ${INDEXES} i where i.table_name = 'request_ledger'
      and i.indisunique and pg_get_indexdef(i.indexrelid) like '% (partner_id, request_id)')`,
    breach: ['alter table request_ledger drop constraint request_ledger_pk', 'request_ledger'],
  },
  {
    id: 'S19-partition',
    says: 'no table is partitioned, inherits or is foreign',
    query: `select t.relname as at from ${TABLES} t where t.relkind <> 'r' or exists (select from pg_inherits h where h.inhrelid = t.oid)`,
    breach: ['create table planted (partner_id uuid not null, at timestamptz) partition by range (at)', 'planted'],
  },
  {
    id: 'S24-valid',
    says: 'every constraint and index is valid: what was added in two steps has had its second',
    query: `select k.table_name || '.' || k.conname as at from ${CONSTRAINTS} k where not k.convalidated
      union all select i.index from ${INDEXES} i where not (i.indisvalid and i.indisready)`,
    breach: ['alter table orders add constraint planted check (total_minor >= 0) not valid', 'orders.planted'],
  },
  {
    id: 'citus-name',
    says: 'names leave room for the number of a shard, else Citus cuts and hashes them',
    query: `select t.relname as at from ${TABLES} t where length(t.relname) > 54
      union all select k.conname from ${CONSTRAINTS} k where k.contype <> 'n' and length(k.conname) > 54
      union all select i.index from ${INDEXES} i where length(i.index) > 54`,
    breach: [`create index ${'planted'.padEnd(55, '_')} on orders (partner_id)`, 'planted'.padEnd(55, '_')],
  },
];
