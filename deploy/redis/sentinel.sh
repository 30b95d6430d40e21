#!/bin/sh
# Starts a sentinel with its own copy of sentinel.conf, in which it saves what it learns, and with the servers'
# password in REDISCLI_AUTH (empty: none). The sentinel itself has none.
set -eu
password=$(printf %s "${REDISCLI_AUTH:-}" | sed 's/[\\"]/\\&/g')
own=${SENTINEL_FILE:-/tmp/sentinel.conf}
umask 077
cp "$(dirname "$0")/sentinel.conf" "$own"
if [ -n "$password" ]; then
    printf 'sentinel auth-pass pmo "%s"\n' "$password" >> "$own"
fi
exec redis-server "$own" --sentinel "$@"
