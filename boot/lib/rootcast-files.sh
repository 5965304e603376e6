# shellcheck shell=sh
# Which programs go into an initramfs, for initramfs-tools and dracut alike. Sourced when it is built.

# What rootcast-stay.sh runs, to the machine's end.
ROOTCAST_RAM_PROGRAMS='dash nbd-client dmsetup sleep'
# What puts that into a ramfs, and what the initramfs needs besides.
ROOTCAST_PROGRAMS="$ROOTCAST_RAM_PROGRAMS cp mkdir mkfifo mount chroot unshare setsid tr"
ROOTCAST_MODULES='nbd dm_mod dm_multipath dm_round_robin'

# Prints the files of ROOTCAST_RAM_PROGRAMS with their libraries, one a line.
rootcast_ram_list() {
	for program in $ROOTCAST_RAM_PROGRAMS; do
		path=$(command -v "$program") || continue
		echo "$path"
		ldd "$path" | grep -o '/[^ ]*'
	done | sort -u
}
