# Has it take back what a copy in COPIES holds: the newest, or the one that COPY names. It takes back whole collections, and
# none that it already has.
trap 'rm -r "$line"' EXIT
for found in "$COPIES"/[0-9]*z; do copy="$found"; done
if [ -n "${COPY:-}" ]; then copy="$COPIES/$COPY"; fi
if [ ! -d "$copy" ]; then
  echo "there is no copy $copy" >&2
  exit 1
fi
copy="${copy##*/}"
schema="$(ask GET /v1/schema)"
there="$(printf '%s' "$schema" | grep -o '"class":"[^"]*"' | cut -d '"' -f 4 | tr '\n' ' ' || true)"
if [ -n "$there" ]; then
  echo "it already has the collections: $there(delete those that are to come back)"
fi
ask POST "/v1/backups/filesystem/$copy/restore" '{}' >/dev/null
while :; do
  answer="$(ask GET "/v1/backups/filesystem/$copy/restore")"
  case "$answer" in
    *'"status":"SUCCESS"'*) break ;;
    *'"status":"FAILED"'* | *'"status":"CANCELED"'*)
      echo "$answer" >&2
      exit 1
      ;;
    *) sleep 1 ;;
  esac
done
echo "restored from $COPIES/$copy"
