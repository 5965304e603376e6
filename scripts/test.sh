#!/bin/sh
# `npm test`: everything, from an empty clone. Installs what is missing, runs the checks and all tests,
# lists every skipped test with its reason, and ends with `N passed, N failed, N skipped` alone on a
# line. `npm test -- PATH…` (or any option of `vitest run`) runs only that, without the checks.
set -u
cd "$(dirname -- "$0")/.." || exit 1
. scripts/install-dependencies.sh

if [ $# -gt 0 ]; then
  exec vitest run "$@"
fi

sh scripts/install-debian-packages.sh

check=0
sh scripts/check.sh || check=1

counts=$(mktemp)
trap 'rm -f "$counts"' EXIT
ROOTCAST_TEST_COUNTS=$counts vitest run --allowOnly=false
status=$?

# Three numbers, written by test/support/report.ts. Nothing there means that the run broke down.
read -r passed failed skipped <"$counts" || passed=0 failed=1 skipped=0
if [ "$check" -ne 0 ]; then
  echo "npm run check failed (see above): counted as one failed test"
  failed=$((failed + 1))
fi
if [ "$failed" -eq 0 ] && [ "$status" -ne 0 ]; then
  echo "vitest left with exit code $status: counted as one failed test"
  failed=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
