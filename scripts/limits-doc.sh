#!/bin/sh
# `npm run docs:limits`: writes docs/LIMITS.md from the limits.ts files.
set -eu
cd "$(dirname -- "$0")/.."
. scripts/install-dependencies.sh
exec node scripts/write-limits-doc.ts
