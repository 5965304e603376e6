#!/bin/sh
# Tells the server, and whoever looks at the console, how full the machine's own write cache is. Lives in the ramfs
# of rootcast-ram.sh: it can still tell of a cache that has failed, and the root file system with it.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH DM_DISABLE_UDEV=1

POLL_SECONDS=5
# How long nothing new is said again.
TELL_SECONDS=60
# Percent from which on it is told that the cache fills.
FILLING=80
NEARLY_FULL=90

# Level 3 is shown with `quiet`, too.
say() {
	echo "<3>rootcast: $1" > /dev/kmsg
}

# Sets used (bytes), percent and state.
look() {
	# shellcheck disable=SC2046 # its words
	set -- $(dmsetup status rootcast-cache 2> /dev/null)
	state=good
	case "$4" in
	*/*)
		used=$((${4%/*} * 512))
		percent=$((${4%/*} * 100 / ${4#*/}))
		[ "$percent" -lt "$FILLING" ] || state=filling
		[ "$percent" -lt "$NEARLY_FULL" ] || state=nearly-full
		;;
	Overflow)
		used=$SIZE
		percent=100
		state=full
		;;
	Invalid)
		state=failed
		;;
	*) return 1 ;;
	esac
}

report() {
	bash /usr/lib/rootcast/rootcast-http.sh POST "$REPORT" \
		"$(printf 'mode=%s\nstate=%s\nreason=%s\nsize=%s\nused=%s\n' "$MODE" "$state" "$REASON" "$SIZE" "$used")" \
		> /dev/null 2>&1
}

until [ -e /run/cache ]; do
	sleep 1
done
# shellcheck source=/dev/null
. /run/cache
used=0
percent=0
said_state=good
told=
told_at=0
while :; do
	look && {
		read -r now _ < /proc/uptime
		now=${now%%.*}
		if [ "$state" != "$said_state" ]; then
			said_state=$state
			case "$state" in
			filling | nearly-full) say "the write cache ($MODE) is $percent % full: when it is full, writes fail" ;;
			full) say "the write cache ($MODE) is full: writes fail, what was written can still be read; boot this machine anew" ;;
			failed) say "the write cache ($MODE) has failed, and with it the disk: boot this machine anew" ;;
			esac
		fi
		if [ "$state $percent" != "$told" ] || [ "$((now - told_at))" -ge "$TELL_SECONDS" ]; then
			# What it was not told, it is told the next time.
			! report || { told="$state $percent"; told_at=$now; }
		fi
	}
	sleep "$POLL_SECONDS"
done
