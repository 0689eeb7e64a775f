#!/bin/sh
# The two databases, each with an owner of its own: the warehouse and Dagster's storage. Runs when the server's data are
# first made; to make them on a server of your own, run it with PG* variables that name a superuser, and with SECRETS: the
# folder of the files warehouse_password and dagster_password.
set -eu
secrets=${SECRETS:-/run/secrets}
superuser=${POSTGRES_USER:-${PGUSER:-postgres}}
for name in warehouse dagster; do
    export PASSWORD_FILE="$secrets/${name}_password"
    test -s "$PASSWORD_FILE" || { echo "$PASSWORD_FILE is not there, or is empty." >&2; exit 1; }
    # psql reads the password itself: on its command line everybody on the machine could.
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --set=name="$name" --username="$superuser" --dbname=postgres <<'SQL'
\set password `cat "$PASSWORD_FILE"`
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
# The warehouse's owner makes the roles of analysts and loaders, and the dashboards' logins.
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$superuser" --dbname=postgres \
    --command='ALTER ROLE warehouse CREATEROLE'
