#!/bin/sh
# Two requests with a second between them by curl: trial.sh METHOD URL.
set -eu
if [ "$1" = POST ]; then set -- "$@" --data "ten won"; else set -- "$@" --get; fi
url=$2
shift 2
exec curl --silent --show-error --fail --rate 1/s "$@" "$url/first" "$url/second"
