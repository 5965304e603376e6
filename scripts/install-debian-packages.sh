#!/bin/sh
# Installs the Debian packages that the tests need (every test/**/debian-packages.txt: one name a line,
# '#' starts a comment), and only those that are missing. Without root or Debian it names them and goes
# on: the tests that need them are then skipped, and listed with their reasons at the end of the run.
set -eu
cd "$(dirname -- "$0")/.."

command -v dpkg-query >/dev/null 2>&1 || {
  echo "not a Debian system: tests that need programs which are not installed are skipped" >&2
  exit 0
}

is_installed() {
  dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

missing=
for name in $(find test -name debian-packages.txt -exec awk '{ sub(/#.*/, ""); print }' {} + | sort -u); do
  is_installed "$name" || missing="$missing $name"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "not root, so these Debian packages are not installed and their tests are skipped:$missing" >&2
  exit 0
fi

echo "installing Debian packages:$missing ..." >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND

install() {
  # Package scripts must not start services on the machine of whoever runs our tests.
  RUNLEVEL=1 apt-get install --yes --quiet --no-install-recommends \
    -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1
}

apt-get update --quiet -o DPkg::Lock::Timeout=300 >>"$log" 2>&1 || true
# shellcheck disable=SC2086
if ! install $missing; then
  # One package that this release does not have must not take the others with it.
  for name in $missing; do
    install "$name" || echo "could not install the Debian package $name" >&2
  done
  tail -n 20 "$log" >&2
fi
