# Makes a copy of everything that the Redis at REDIS_HOST and REDIS_PORT holds in COPIES, and keeps the newest KEEP.
# A copy gets its name when it is whole and can be read; until then it is no copy.
set -eu
REDISCLI_AUTH="$(cat "$SECRET_FILE")"
export REDISCLI_AUTH
part="$COPIES/.part"
trap 'rm -f "$part"' EXIT
copy="$COPIES/$(date -u +%Y%m%dT%H%M%SZ).rdb"
redis-cli -h "$REDIS_HOST" -p "$REDIS_PORT" --rdb "$part" >/dev/null
redis-check-rdb "$part" >/dev/null
sync "$part"
mv "$part" "$copy"
echo "copied $REDIS_HOST to $copy"
set -- "$COPIES"/*.rdb
while [ "$#" -gt "$KEEP" ]; do
  rm "$1"
  echo "removed $1"
  shift
done
