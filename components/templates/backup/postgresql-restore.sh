# Gives the database PGDATABASE what a copy in COPIES holds, and nothing else: the newest, or the one that COPY names.
# All of it happens in one transaction: what fails changes nothing.
set -eu
PGPASSWORD="$(cat "$SECRET_FILE")"
export PGPASSWORD
for found in "$COPIES"/*.dump; do copy="$found"; done
if [ -n "${COPY:-}" ]; then copy="$COPIES/$COPY"; fi
if [ ! -f "$copy" ]; then
  echo "there is no copy $copy" >&2
  exit 1
fi
pg_restore --list "$copy" >/dev/null
statements="$(mktemp)"
trap 'rm -f "$statements"' EXIT
cat >"$statements" <<'SQL'
SET client_min_messages TO error;
BEGIN;
-- Whoever is connected holds locks that this would wait for.
SELECT count(pg_terminate_backend(pid)) AS disconnected FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid();
-- What came after the copy was made may stand in the way of what it holds.
DO $$
DECLARE one name;
BEGIN
  FOR one IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
    EXECUTE format('DROP SCHEMA %I CASCADE', one);
  END LOOP;
END
$$;
-- A copy counts on the schema that every new database has.
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
GRANT USAGE ON SCHEMA public TO PUBLIC;
SELECT count(lo_unlink(oid)) AS forgotten FROM pg_largeobject_metadata;
SQL
pg_restore --clean --if-exists --single-transaction --file=- "$copy" >>"$statements"
psql --no-psqlrc --no-password --quiet --set=ON_ERROR_STOP=1 --output=/dev/null --file="$statements"
echo "restored $PGDATABASE from $copy"
