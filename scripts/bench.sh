#!/bin/sh
# `npm run bench -- OPTIONS` (= `rootcast bench peers OPTIONS`): Rootcast beside its peers (bench/README.md).
set -eu
cd "$(dirname -- "$0")/.."
. scripts/install-dependencies.sh
exec node --disable-warning=ExperimentalWarning bench/main.ts peers "$@"
