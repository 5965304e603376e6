#!/bin/sh
# `npm run docs:xenapi`: writes docs/XENAPI-CALLS.md from the datamodel.
set -eu
cd "$(dirname -- "$0")/.."
. scripts/install-dependencies.sh
exec node scripts/write-xenapi-doc.ts
