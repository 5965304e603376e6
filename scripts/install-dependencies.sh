# Sourced by the other scripts, from the project's folder: node_modules as package-lock.json says, and
# its programs (with the Node.js that Rootcast runs on) first in PATH. The same rule as bin/rootcast.
if [ ! -x node_modules/.bin/node ] || [ ! -x node_modules/.bin/vitest ] ||
  [ package-lock.json -nt node_modules/.package-lock.json ]; then
  if ! command -v npm >/dev/null 2>&1; then
    echo "npm is needed once, to install the dependencies (Debian: apt-get install npm)" >&2
    exit 1
  fi
  echo "installing dependencies ..." >&2
  npm ci --include=dev --no-audit --no-fund --loglevel=error >&2
  touch node_modules/.package-lock.json
fi
PATH=$PWD/node_modules/.bin:$PATH
export PATH
