# Gives the Redis at REDIS_HOST and REDIS_PORT what a copy in COPIES holds, and nothing else: the newest, or the one that
# COPY names. A server of its own, which nobody else can reach, reads the copy and writes it as commands.
set -eu
REDISCLI_AUTH="$(cat "$SECRET_FILE")"
export REDISCLI_AUTH
for found in "$COPIES"/*.rdb; do copy="$found"; done
if [ -n "${COPY:-}" ]; then copy="$COPIES/$COPY"; fi
if [ ! -f "$copy" ]; then
  echo "there is no copy $copy" >&2
  exit 1
fi
redis-check-rdb "$copy" >/dev/null
work="$(mktemp -d "$COPIES/.restore.XXXXXX")"
socket="$(mktemp -u)"
reader=
end() {
  [ -z "$reader" ] || kill "$reader" 2>/dev/null || true
  rm -rf "$work"
}
trap end EXIT
cp "$copy" "$work/copy.rdb"
redis-server --port 0 --unixsocket "$socket" --dir "$work" --dbfilename copy.rdb --save '' --appendonly no \
  --aof-use-rdb-preamble no --auto-aof-rewrite-percentage 0 >"$work/log" 2>&1 &
reader=$!
# The reader has no password.
ask() { env -u REDISCLI_AUTH redis-cli -s "$socket" "$@" 2>&1 || true; }
until [ "$(ask ping)" = PONG ]; do
  kill -0 "$reader" || { cat "$work/log" >&2; exit 1; }
  sleep 0.2
done
ask config set appendonly yes >/dev/null
while ask info persistence | grep -Eq '^aof_rewrite_(in_progress|scheduled):1'; do sleep 0.2; done
if ! ask info persistence | grep -q '^aof_last_bgrewrite_status:ok'; then
  cat "$work/log" >&2
  exit 1
fi
{
  printf 'FLUSHALL\r\nFUNCTION FLUSH\r\n'
  cat "$work"/appendonlydir/*.base.aof
} | redis-cli -h "$REDIS_HOST" -p "$REDIS_PORT" --pipe
echo "restored $REDIS_HOST from $copy"
