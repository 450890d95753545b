# Speaks to the Weaviate at WEAVIATE_HOST and WEAVIATE_PORT with the key in SECRET_FILE. The image's only program for HTTP
# takes a key among its arguments, where others see it; so the requests are written here.
set -eu
trap '' PIPE
key="$(cat "$SECRET_FILE")"
line="$(mktemp -d)"
mkfifo "$line/request"
# ask METHOD PATH [BODY]: the body of the answer, on one line. An answer that is none of success is told, and a failure.
ask() {
  nc "$WEAVIATE_HOST" "$WEAVIATE_PORT" <"$line/request" >"$line/answer" &
  # The end of a request must not look like a client that hangs up.
  exec 3>"$line/request"
  body="${3:-}"
  printf '%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n' "$1" "$2" "$WEAVIATE_HOST" "$key" >&3
  printf 'Content-Type: application/json\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' "${#body}" "$body" >&3
  wait "$!"
  exec 3>&-
  # What is sent in chunks has the length of each on a line of its own.
  body="$(tr -d '\r' <"$line/answer" | sed -e '1,/^$/d' -e '/^[0-9a-fA-F]\{1,8\}$/d' | tr -d '\n')"
  case "$(head -n 1 "$line/answer")" in
    'HTTP/1.'[01]' 2'*) printf '%s\n' "$body" ;;
    *)
      echo "$1 $2: $(head -n 1 "$line/answer" | tr -d '\r'): $body" >&2
      return 1
      ;;
  esac
}
