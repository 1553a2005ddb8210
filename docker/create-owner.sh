#!/bin/sh
# Run once by the postgres image on an empty data directory: the database, and the login that owns its tables. `migrate`
# makes the application's login. Neither is a superuser, so row-level security binds both.
set -eu
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  -v owner_password="$OWNER_PASSWORD" <<'SQL'
create role cp_owner login createrole nosuperuser nobypassrls password :'owner_password';
create database customer_permissions owner cp_owner;
SQL
