# Starts Redis with the configuration file $1 and the password in the file $2, which stands neither in its arguments nor
# in its variables: it reads the rest of its configuration from its input. Each byte of the password is written as a
# number, so that none means anything else there.
set -eu
password="$(printf '%s' "$(cat "$2")" | od -An -v -t x1 | tr -d ' \n' | sed 's/../\\x&/g')"
if [ -z "$password" ]; then
  echo "there is no password in $2" >&2
  exit 1
fi
exec redis-server "$1" - <<END
requirepass "$password"
END
