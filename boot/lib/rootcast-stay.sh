#!/bin/sh
# Keeps the disk of a machine whose server may go away. Lives in a ramfs from the initramfs on, to the machine's end.
#
# /dev/mapper/rootcast-disk is a dm-multipath of one path that queues when it has none: no request of the file system
# fails while the server is away. The path is an NBD device whose nbd-client stays in the foreground (-nonetlink
# -nofork): its end is how we know that the connection is lost. The lost one's requests return to the
# multipath; a new connection is made on another NBD device, for the old one cannot be used again while it is
# open; the new path is put in the place of the old one.
#
# Every connection has an export name of its own, EXPORT@RUN.N: with the first request of connection N the server has
# ended all older ones, so that a write which is still under way on one of them cannot undo a newer one.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
# udev is on the root file system.
export PATH DM_DISABLE_UDEV=1

DISK=rootcast-disk
# In step with 59-rootcast.rules.
PATHS='nbd15 nbd14 nbd13 nbd12'
# How long one server has to let us in. It waits for what older connections have in flight.
ATTEMPT_SECONDS=20
# How often it says that it waits.
TELL_SECONDS=30
# How often an nbd-client gets a chance to find out that its connection is lost, half a second apart.
PROBES=20

# shellcheck source=/dev/null
. /run/settings
echo -1000 > /proc/self/oom_score_adj
read -r RUN < /proc/sys/kernel/random/uuid
generation=0
COUNT=0
for server in $SERVERS; do COUNT=$((COUNT + 1)); done
# Of the disk, in sectors; 0 before the first connection.
sectors=0
# The present path: `nbd15`, and its nbd-client.
path=
client=

# Level 3 is shown with `quiet`, too.
say() {
	echo "<3>rootcast: $1" > /dev/kmsg
}

now() {
	read -r seconds _ < /proc/uptime
	NOW=${seconds%%.*}
}

# An NBD device that nobody has open, not even us.
free_path() {
	for device in $PATHS; do
		[ -e "/sys/block/$device" ] || continue
		[ ! -e "/sys/block/$device/pid" ] || continue
		for holder in "/sys/block/$device/holders/"*; do
			[ ! -e "$holder" ] || continue 2
		done
		return 0
	done
	return 1
}

# Whether $device is connected. The kernel says who has connected it a moment before it says how large it is.
is_up() {
	[ -e "/sys/block/$device/pid" ] || return
	read -r size < "/sys/block/$device/size"
	[ "$size" -gt 0 ]
}

# Connects $device to a server. Sets client.
connect() {
	generation=$((generation + 1))
	host=${1%:*}
	host=${host#[}
	nbd-client "${host%]}" "${1##*:}" "/dev/$device" -N "$EXPORT@$RUN.$generation" \
		-nonetlink -nofork -swap -systemd-mark -timeout "$TIMEOUT" < /dev/null > /dev/null 2> /error &
	client=$!
	now
	until=$((NOW + ATTEMPT_SECONDS))
	until is_up; do
		sleep 0.1
		if ! kill -0 "$client" 2> /dev/null; then
			wait "$client"
			return 1
		fi
		now
		if [ "$NOW" -ge "$until" ]; then
			echo 'no answer' > /error
			kill -KILL "$client"
			wait "$client"
			return 1
		fi
	done
}

# The table of the disk by $device.
multipath_by() {
	read -r number < "/sys/block/$1/dev"
	echo "0 $sectors multipath 3 queue_if_no_path queue_mode bio 0 1 1 round-robin 0 1 1 $number 1"
}

# Requests that run keep nobody waiting here: the old path's have returned with its connection.
use_table() {
	dmsetup reload "$DISK" << EOF || return
$1
EOF
	dmsetup resume --noflush --nolockfs "$DISK"
}

# Makes $device the path of the disk.
take_path() {
	if [ "$sectors" -gt 0 ]; then
		use_table "$(multipath_by "$device")"
		return
	fi
	sectors=$size
	if ! dmsetup create "$DISK" --table "$(multipath_by "$device")"; then
		sectors=0
		return 1
	fi
	watch_errors &
}

# Tries the next server. Which that is: one that failed, or was lost, goes to the end of the list.
try_server() {
	server=${SERVERS%% *}
	SERVERS="${SERVERS#"$server"} $server"
	SERVERS=${SERVERS# }
	free_path || {
		echo 'every NBD device is taken' > /error
		return 1
	}
	connect "$server" || return 1
	if take_path; then
		path=$device
		return 0
	fi
	echo 'the device mapper refuses the disk' > /error
	kill -KILL "$client"
	wait "$client"
	return 1
}

# Whether requests on the path are answered: its beginning is read, past all caches. On a connection that is lost that
# fails at once, also when its nbd-client has not ended yet: it is stopped, or has not had its turn.
answers() {
	# One that has been taken down has no size: to read nothing of it is no error.
	case "$(LC_ALL=C dd if="/dev/$path" of=/dev/null bs=4096 count=1 iflag=direct 2>&1)" in
	'1+0 records in'*) ;;
	*) return 1 ;;
	esac
}

# The nbd-client has not ended, as far as it could tell.
is_held() {
	kill -0 "$client" 2> /dev/null && [ -e "/sys/block/$path/pid" ]
}

# A request that failed on a connection which lives is the server's own answer: its disk is full, say. It has to
# reach the program that asked, and no other: a table that hands requests through, for a moment. The device mapper
# puts something else in the place of a multipath only when an error target is part of it: behind the end.
pass_errors_on() {
	is_held || return
	read -r number < "/sys/block/$path/dev"
	case "$(dmsetup status "$DISK")" in
	*" $number F "*) ;;
	*) return ;;
	esac
	probes=0
	until answers; do
		is_held || return
		probes=$((probes + 1))
		# A server that has nothing but errors.
		[ "$probes" -lt "$PROBES" ] || break
		sleep 0.5
	done
	is_held || return
	use_table "0 $sectors linear $number 0
$sectors 8 error" || return
	sleep 0.2
	until use_table "$(multipath_by "$path")"; do sleep 0.2; done
}

# Sends USR1 when the state of a path changes.
watch_errors() {
	while :; do
		events=$(dmsetup info -c --noheadings -o events "$DISK")
		dmsetup wait "$DISK" "$events" > /dev/null 2>&1 || sleep 1
		kill -USR1 $$
	done
}

# Until there is a path.
find_path() {
	now
	since=$NOW
	tell=$NOW
	failed=
	tries=0
	until try_server; do
		now
		tries=$((tries + 1))
		if [ "$NOW" -ge "$tell" ]; then
			why=
			while read -r line; do why=$line; done < /error
			say "the disk of this machine waits for $SERVERS since $((NOW - since)) s: $why"
			tell=$((NOW + TELL_SECONDS))
		fi
		if [ "$WAIT" -gt 0 ] && [ "$((NOW - since))" -ge "$WAIT" ] && [ "$sectors" -gt 0 ] && [ -z "$failed" ]; then
			say "no server for $WAIT s (rootcast.wait): requests of the disk fail from now on"
			dmsetup message "$DISK" 0 fail_if_no_path
			failed=1
		fi
		# All of them at once, and then a pause.
		[ "$((tries % COUNT))" -ne 0 ] || sleep 1
	done
	now
	echo "$server $generation $NOW" > /run/path
}

trap : USR1
find_path
echo attached > /run/attached
while :; do
	while kill -0 "$client" 2> /dev/null; do
		wait "$client"
		pass_errors_on
	done
	say "the connection to $server is lost; the disk of this machine waits for it"
	find_path
	say "the disk is back, by $server, after $((NOW - since)) s"
done
