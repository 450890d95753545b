# Makes a copy of the database PGDATABASE in COPIES, and keeps the newest KEEP copies.
# A copy gets its name when it is whole and can be read; until then it is no copy.
set -eu
PGPASSWORD="$(cat "$SECRET_FILE")"
export PGPASSWORD
part="$COPIES/.part"
trap 'rm -f "$part"' EXIT
copy="$COPIES/$(date -u +%Y%m%dT%H%M%SZ).dump"
pg_dump --format=custom --no-password --file="$part"
pg_restore --list "$part" >/dev/null
sync "$part"
mv "$part" "$copy"
echo "copied $PGDATABASE to $copy"
set -- "$COPIES"/*.dump
while [ "$#" -gt "$KEEP" ]; do
  rm "$1"
  echo "removed $1"
  shift
done
