#!/bin/sh
# The two databases, each with an owner of its own: the warehouse and Dagster's storage. Runs when the server's data are
# first made; to make them on a server of your own, run it with PG* variables that name a superuser.
set -eu
secrets=${SECRETS:-/run/secrets}
for name in warehouse dagster; do
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --set=name="$name" --set=password="$(cat "$secrets/${name}_password")" \
        --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
# The warehouse's owner makes the roles of analysts and loaders, and the dashboards' logins.
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres \
    --command='ALTER ROLE warehouse CREATEROLE'
