#!/bin/sh
# Starts Redis with redis.conf, REDIS_MAXMEMORY and the password of REDISCLI_AUTH (empty: none). redis-cli in the same
# container reads that variable too. The password is passed on standard input: any process can read arguments.
# More options may follow as arguments, for example --replicaof redis 6379.
set -eu
password=$(printf %s "${REDISCLI_AUTH:-}" | sed 's/[\\"]/\\&/g')
folder=$(dirname "$0")
exec redis-server "$folder/redis.conf" --maxmemory "${REDIS_MAXMEMORY:-256mb}" "$@" - <<CONFIG
requirepass "$password"
masterauth "$password"
CONFIG
