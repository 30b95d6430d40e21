#!/bin/sh
# Roles and rights in the containers' database, with passwords from the environment; may be repeated. It runs before the
# migrations, and again after them, as the database's superuser (libpq's PGHOST, PGUSER, PGDATABASE, PGPASSWORD).
set -eu
export PGOPTIONS="-c client_min_messages=warning"
folder=$(dirname "$0")
run() {
    psql -X --quiet --set ON_ERROR_STOP=1 --set "migrator=${MIGRATOR:-pmo_migrator}" --set "web=${WEB:-pmo_web}" "$@"
}
run --file "$folder/roles.sql"
run --file "$folder/hand_over.sql"
run --file "$folder/roles.sql"
