#!/bin/sh
# Requests with a pause between them, by one curl; README.md has the environment. It knows a pace
# between requests and none between runs, so a run has one request.
set -eu
pace=$(awk -v pause="${HALFOPEN_PAUSE_S:-1}" 'BEGIN { printf "%d/h", 3600 / pause }')
case ${HALFOPEN_METHOD:-GET} in
POST) set -- --data "ten won" ;;
*) set -- --get ;;
esac
for run in $(seq "${HALFOPEN_RUNS:-2}"); do
    set -- "$@" --output /dev/null "$HALFOPEN_URL"
done
exec curl --silent --fail-with-body --fail-early --rate "$pace" \
    --write-out '%{response_code} %{errormsg}\n' "$@"
