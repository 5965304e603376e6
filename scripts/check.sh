#!/bin/sh
# Everything a machine can judge without running the program. All parts run, so that one look shows
# all that is wrong. `scripts/check.sh types` (lint, imports, dead-code) runs one part.
set -u
cd "$(dirname -- "$0")/.." || exit 1
. scripts/install-dependencies.sh

failed=
part() {
  name=$1
  shift
  if "$@"; then
    echo "check: $name ok"
  else
    echo "check: $name FAILED" >&2
    failed="$failed $name"
  fi
}

# One run over all, so that a rule between two of them can fire.
imports() {
  folders=
  for folder in src test bench scripts examples; do
    [ ! -d "$folder" ] || folders="$folders $folder"
  done
  # shellcheck disable=SC2086
  depcruise --output-type err-long $folders
}

[ $# -gt 0 ] || set -- types lint imports dead-code
for wanted in "$@"; do
  case $wanted in
    types) part types tsc --noEmit ;;
    lint) part lint biome check --error-on-warnings . ;;
    imports) part imports imports ;;
    dead-code) part dead-code knip --no-progress ;;
    *)
      echo "check: no part named $wanted (types, lint, imports, dead-code)" >&2
      exit 2
      ;;
  esac
done

[ -z "$failed" ] || {
  echo "check: failed:$failed" >&2
  exit 1
}
