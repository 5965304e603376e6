# shellcheck shell=sh
# Attaches the disk of this machine, and keeps it when the server goes away. Sourced in the initramfs, by
# initramfs-tools and by dracut alike; the network is up. What the machine is told, on the kernel command line:
#
#   rootcast.server=HOST:PORT[,HOST:PORT]   where the disk is served; several: whichever answers
#   rootcast.export=machine/NAME            which disk
#   rootcast.url=http://HOST:PORT/boot      the boot server
#   rootcast.timeout=SECONDS                a request without an answer for that long ends a connection (30)
#   rootcast.wait=SECONDS                   without a server for that long, requests fail (0: never)
#
# The disk is /dev/mapper/rootcast-disk, whatever it comes by; rootcast-stay.sh says how it lives on.

ROOTCAST_LIB=/usr/lib/rootcast
# Where the state of the disk is told: of /run, and so there after the initramfs, too.
ROOTCAST_RUN=/run/rootcast

# What the kernel command line says. Fails when this is no machine of Rootcast's.
rootcast_arguments() {
	ROOTCAST_SERVERS=
	ROOTCAST_EXPORT=
	ROOTCAST_URL=
	ROOTCAST_TIMEOUT=30
	ROOTCAST_WAIT=0
	# The partition that the root is on: `p1`, or nothing for the whole disk.
	ROOTCAST_ROOT=
	read -r rootcast_line < /proc/cmdline
	for rootcast_word in $rootcast_line; do
		case "$rootcast_word" in
		rootcast.server=*) ROOTCAST_SERVERS=$(echo "${rootcast_word#*=}" | tr ',' ' ') ;;
		rootcast.export=*) ROOTCAST_EXPORT=${rootcast_word#*=} ;;
		rootcast.url=*) ROOTCAST_URL=${rootcast_word#*=} ;;
		rootcast.timeout=*) ROOTCAST_TIMEOUT=$(rootcast_seconds "${rootcast_word#*=}" 30) ;;
		rootcast.wait=*) ROOTCAST_WAIT=$(rootcast_seconds "${rootcast_word#*=}" 0) ;;
		root=/dev/nbd0p*) ROOTCAST_ROOT=${rootcast_word#root=/dev/nbd0} ;;
		esac
	done
	[ -n "$ROOTCAST_SERVERS" ] && [ -n "$ROOTCAST_EXPORT" ]
}

# What the root file system is on, as the device mapper calls it, and what others call it.
rootcast_mapping() {
	if [ -n "$ROOTCAST_ROOT" ]; then echo "rootcast-$ROOTCAST_ROOT"; else echo rootcast-disk; fi
}

rootcast_link() {
	if [ -n "$ROOTCAST_ROOT" ]; then echo "nbd0$ROOTCAST_ROOT"; else echo root; fi
}

# A number of seconds, or what is meant where it is none.
rootcast_seconds() {
	case "$1" in
	'' | *[!0-9]*) echo "$2" ;;
	*) echo "$1" ;;
	esac
}

# On the console, `quiet` or not, and in the journal.
rootcast_say() {
	echo "<3>rootcast: $1" > /dev/kmsg
}

# Sets ROOTCAST_ORIGIN. Waits until there is a disk, for ever if need be: rootcast-stay.sh says for whom.
rootcast_attach() {
	# No partitions on the paths: they are on the disk, and a path is not read when its server is away.
	modprobe -q nbd max_part=0
	for rootcast_module in dm_mod dm_multipath dm_round_robin; do
		modprobe -q "$rootcast_module"
	done
	mkdir -p "$ROOTCAST_RUN" /run/udev/rules.d
	# For udev of the image's own system as well.
	cp "$ROOTCAST_LIB/59-rootcast.rules" /run/udev/rules.d/
	# What waits for the device that `root=` names finds ours.
	echo "ENV{DM_NAME}==\"$(rootcast_mapping)\", SYMLINK+=\"$(rootcast_link)\"" \
		> /run/udev/rules.d/60-rootcast-root.rules
	# It looks for new rules every three seconds by itself: too late for a disk that is there at once.
	udevadm control --reload
	[ -p "$ROOTCAST_RUN/attached" ] || mkfifo "$ROOTCAST_RUN/attached"
	{
		echo "SERVERS='$ROOTCAST_SERVERS'"
		echo "EXPORT='$ROOTCAST_EXPORT'"
		echo "TIMEOUT=$ROOTCAST_TIMEOUT"
		echo "WAIT=$ROOTCAST_WAIT"
	} > "$ROOTCAST_RUN/settings"
	setsid unshare -m sh "$ROOTCAST_LIB/rootcast-ram.sh" < /dev/null > /dev/null 2>&1 &
	read -r rootcast_attached < "$ROOTCAST_RUN/attached"
	case "$rootcast_attached" in
	attached*) ;;
	*)
		rootcast_say "the disk cannot be attached: $rootcast_attached"
		return 1
		;;
	esac
	ROOTCAST_ORIGIN=/dev/mapper/rootcast-disk
	# What the partitions are taken of: a write cache on the machine puts its own disk here.
	ROOTCAST_DISK=$ROOTCAST_ORIGIN
}

# Maps the partitions of $ROOTCAST_DISK, which are those of the origin, as /dev/mapper/rootcast-p1 and so on, and
# sets ROOTCAST_DEVICE: what the root file system is on.
rootcast_partitions() {
	# What is left when there is no table of partitions is an empty file.
	partx -g -s -o NR,START,SECTORS "$ROOTCAST_ORIGIN" > "$ROOTCAST_RUN/partitions" 2> /dev/null
	while read -r rootcast_number rootcast_start rootcast_size; do
		dmsetup create "rootcast-p$rootcast_number" \
			--table "0 $rootcast_size linear $ROOTCAST_DISK $rootcast_start" || return 1
	done < "$ROOTCAST_RUN/partitions"
	ROOTCAST_DEVICE=$ROOTCAST_DISK
	[ -z "$ROOTCAST_ROOT" ] || ROOTCAST_DEVICE=/dev/mapper/rootcast-$ROOTCAST_ROOT
	[ -e "$ROOTCAST_DEVICE" ] || rootcast_say "the disk has no partition ${ROOTCAST_ROOT#p}"
	[ -e "$ROOTCAST_DEVICE" ]
}

# All of it: the disk, a write cache on the machine (rootcast-cache.sh), the partitions.
rootcast_root() {
	# Before the disk: what it is depends on where the writes go.
	# shellcheck source=/dev/null
	. "$ROOTCAST_LIB/rootcast-cache.sh"
	rootcast_cache_store || return 1
	rootcast_attach || return 1
	rootcast_cache || return 1
	rootcast_partitions
}
