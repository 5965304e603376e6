#!/bin/sh
# Builds the two NBD test programs that no package carries, from Debian's own source packages:
#
#   nbd     the tests/run/nbd-tester-client of the reference implementation, and its transaction logs
#   libnbd  1.22 or later: nbdinfo and nbdsh with extended headers, and its extended-header tests
#
# usage: build-sources.sh [nbd] [libnbd]        (default: both)
#
# Result: $CACHE/nbd and $CACHE/libnbd, each a built source tree with a file `.built` in it, where
# CACHE is ${XDG_CACHE_HOME:-$HOME/.cache}/rootcast-test. What is there already is used again.
# The mirror is the one this machine's own apt uses; only the name of the release is ours, because the
# programs must be newer than those of the oldest release that we run on.
set -eu

RELEASE=trixie
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/rootcast-test
APT=$CACHE/apt
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

say() { printf 'build-sources: %s\n' "$*" >&2; }

# The main archive of this machine: the index of component main that is not security's or updates'.
mirror() {
  release=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v release="$release" '$1 == release && $2 == "main" { print $3; exit }'
}

apt_private() {
  command=$1
  shift
  "$command" \
    -o Dir::Etc::sourcelist="$APT/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$APT/lists" -o Dir::Cache="$APT/cache" \
    -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

prepare_apt() {
  [ -e "$APT/.ready" ] && return
  uri=$(mirror)
  if [ -z "$uri" ]; then
    say 'this machine has no Debian package sources'
    exit 1
  fi
  mkdir -p "$APT/lists/partial" "$APT/cache/archives/partial"
  printf 'deb-src [signed-by=%s] %s %s main\n' "$KEYRING" "$uri" "$RELEASE" >"$APT/sources.list"
  apt_private apt-get -q update >&2
  : >"$APT/.ready"
}

# Some .diff.gz and .debian.tar.xz of the archive answer 404 on some mirrors; the upstream tarball,
# which is all that is needed, does not.
unpack() {
  name=$1
  work=$CACHE/$name.download
  rm -rf "$work" "${CACHE:?}/$name"
  mkdir -p "$work" "$CACHE/$name"
  (cd "$work" && apt_private apt-get -q source --tar-only --download-only "$name" >&2)
  set -- "$work"/*.orig.tar.*
  for tarball in "$@"; do
    case $tarball in *.asc) ;; *) tar -xf "$tarball" -C "$CACHE/$name" --strip-components=1 ;; esac
  done
  rm -rf "$work"
}

build_nbd() {
  unpack nbd
  cd "$CACHE/nbd"
  # Only the tester. Its configure fails without docbook2man even when told --disable-manpages, so it is
  # told that `true` is that program: no manual page is made.
  ac_cv_prog_DB2M=true ./configure --without-libnl >configure.log 2>&1
  make -C tests/run nbd-tester-client >build.log 2>&1
  : >.built
}

build_libnbd() {
  unpack libnbd
  cd "$CACHE/libnbd"
  ./configure --disable-ocaml --disable-golang --disable-rust --disable-fuse --disable-ublk \
    --disable-bash-completion PYTHON=/usr/bin/python3 >configure.log 2>&1
  make >build.log 2>&1
  : >.built
}

mkdir -p "$CACHE"
# Two test files may want this at once.
exec 9>"$CACHE/.lock"
flock 9

[ $# -gt 0 ] || set -- nbd libnbd
for name in "$@"; do
  [ -e "$CACHE/$name/.built" ] && continue
  say "building $name from Debian's source package into $CACHE/$name"
  prepare_apt
  (case $name in
    nbd) build_nbd ;;
    libnbd) build_libnbd ;;
    *) say "unknown program $name" && exit 2 ;;
  esac)
done
