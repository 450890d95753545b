# Has the Weaviate at WEAVIATE_URL make a copy of everything it holds in COPIES, which is its own directory for copies,
# and keeps the newest KEEP.
set -eu
ask() {
  wget -q -O - --header "Authorization: Bearer $WEAVIATE_KEY" --header 'Content-Type: application/json' "$@"
}
# One that holds nothing refuses to copy it.
if ! ask "$WEAVIATE_URL/v1/schema" | grep -q '"class"'; then
  echo 'there is nothing to copy yet'
  exit 0
fi
copy="$(date -u +%Y%m%dt%H%M%Sz)"
whole=
end() { [ -n "$whole" ] || rm -rf "${COPIES:?}/$copy"; }
trap end EXIT
ask --post-data "{\"id\": \"$copy\"}" "$WEAVIATE_URL/v1/backups/filesystem" >/dev/null
while [ -z "$whole" ]; do
  answer="$(ask "$WEAVIATE_URL/v1/backups/filesystem/$copy")"
  case "$answer" in
    *'"status":"SUCCESS"'*) whole=yes ;;
    *'"status":"FAILED"'* | *'"status":"CANCELED"'*)
      echo "$answer" >&2
      exit 1
      ;;
    *) sleep 1 ;;
  esac
done
echo "copied to $COPIES/$copy"
set -- "$COPIES"/[0-9]*z
while [ "$#" -gt "$KEEP" ]; do
  rm -r "$1"
  echo "removed $1"
  shift
done
