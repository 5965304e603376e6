#!/bin/sh
# What a newcomer meets: clones HEAD into a temporary folder, starts Rootcast until it says `ready`, and
# runs the fast tests there. What only worked because it was already installed here fails.
# `npm run try-fresh-clone -- --all` runs the whole `npm test` instead of the fast tests.
set -eu
cd "$(dirname -- "$0")/.."
project=$PWD
START_SECONDS=${START_SECONDS:-180}

folder=$(mktemp -d)
server=
leave() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$folder"
}
trap leave EXIT
trap 'exit 1' INT TERM

git clone --quiet "$project" "$folder/rootcast"
cd "$folder/rootcast"
# Not the Node.js and the programs of the tree this was started from.
PATH=$(printf '%s' "$PATH" | tr ':' '\n' | grep -v '/node_modules/' | paste -s -d : -)
export PATH
echo "fresh clone of $(git log -1 --format='%h %s'), Node $(node --version), npm $(npm --version)"

# `npm start` itself on free ports; exec keeps it one process tree with a known leader.
npm start --loglevel=error -- --data "$folder/data" --http 127.0.0.1:0 --nbd 127.0.0.1:0 --xenapi 127.0.0.1:0 \
  >"$folder/start.log" 2>&1 &
server=$!
waited=0
until grep -qx ready "$folder/start.log"; do
  if ! kill -0 "$server" 2>/dev/null || [ "$waited" -ge "$START_SECONDS" ]; then
    echo "npm start did not become ready:" >&2
    tail -n 40 "$folder/start.log" >&2
    exit 1
  fi
  sleep 1
  waited=$((waited + 1))
done
echo "npm start: ready after ${waited} s"
# The service itself, by its own process id: npm ends at the signal and does not always pass it on.
service=$(sed 's/.*"pid":\([0-9]*\).*/\1/' "$folder/data/server.json")
kill -TERM "$service"
status=0
wait "$server" || status=$?
server=
# 0 is a clean end, 143 an end by the signal.
case $status in
  0 | 143) ;;
  *)
    echo "npm start ended with $status after SIGTERM:" >&2
    tail -n 40 "$folder/start.log" >&2
    exit 1
    ;;
esac

if [ "${1:-}" = --all ]; then
  npm test --loglevel=silent
else
  npm run test:fast --loglevel=silent
fi
echo "fresh clone: good"
