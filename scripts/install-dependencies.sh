# Sourced by bin/rootcast and by the other scripts, from the project's folder: node_modules as
# package-lock.json says, and its programs (with the Node.js that Rootcast runs on) first in PATH.
#
# What was installed is remembered by content, not by time: `npm ci` empties node_modules first, and a
# lock file that was merely touched must not do that to programs that are running. One at a time, so
# that two first starts do not install over each other.

dependencies_missing() {
  [ ! -x node_modules/.bin/node ] || [ ! -x node_modules/.bin/vitest ] ||
    ! cmp -s package-lock.json node_modules/.installed-lock
}

install_dependencies() {
  if ! command -v npm >/dev/null 2>&1; then
    echo "npm is needed once, to install the dependencies (Debian: apt-get install npm)" >&2
    return 1
  fi
  echo "installing dependencies (once) ..." >&2
  npm ci --include=dev --no-audit --no-fund --loglevel=error >&2 || return 1
  cp package-lock.json node_modules/.installed-lock
}

if dependencies_missing; then
  exec 9>.install.lock
  if command -v flock >/dev/null 2>&1; then flock 9; fi
  if dependencies_missing; then install_dependencies || exit 1; fi
  exec 9>&-
fi
PATH=$PWD/node_modules/.bin:$PATH
export PATH
