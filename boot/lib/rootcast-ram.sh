#!/bin/sh
# Puts what keeps the disk (rootcast-stay.sh) where nothing of it can be missing while the disk is away: a ramfs,
# which is never written out to a swap, in a mount namespace of its own. It sees no mount of the root file
# system, so that this can be unmounted, and is not seen by whoever unmounts everything. Runs in the initramfs,
# under `unshare -m`.
lib=/usr/lib/rootcast
run=/run/rootcast
ram=$lib/ram

fail() {
	echo "$1" > "$run/attached"
	exit 1
}

mkdir -p "$ram"
mount -t ramfs -o mode=0700 rootcast "$ram" || fail 'no ramfs'
mkdir "$ram/dev" "$ram/proc" "$ram/sys" "$ram/run"
# shellcheck disable=SC2046
cp -L --parents -t "$ram" $(cat "$lib/ram.list") || fail 'its programs cannot be copied'
# initramfs-tools has busybox's programs under some of these names, which lack their libraries here; the image's own
# are in a folder of ours.
while read -r path; do
	own=$lib/bin/${path##*/}
	[ ! -e "$own" ] || cp -L "$own" "$ram$path" || fail 'its programs cannot be copied'
done < "$lib/ram.list"
cp "$lib/rootcast-stay.sh" "$ram/stay.sh"
# Processes whose name begins with @ hold the root file system, systemd says, and lets them be when it kills
# all others: when the initramfs is left, and at the end.
cp -L "$(command -v dash || command -v sh)" "$ram/@sh"
mount -t devtmpfs dev "$ram/dev" || fail 'no devtmpfs'
mount -t proc proc "$ram/proc" || fail 'no proc'
mount -t sysfs sys "$ram/sys" || fail 'no sysfs'
mount --bind "$run" "$ram/run" || fail 'no run'
# A write cache on this machine is watched from here, too.
mkdir -p "$ram/usr/lib/rootcast"
cp "$lib/rootcast-watch.sh" "$lib/rootcast-http.sh" "$ram/usr/lib/rootcast/"
case "$(cat /proc/cmdline)" in
*rootcast.cache=*)
	(cd "$ram" && PATH=:/usr/sbin:/usr/bin:/sbin:/bin exec chroot "$ram" @sh /usr/lib/rootcast/rootcast-watch.sh) &
	;;
esac
# The shell that is found in the current folder is called by its name alone.
cd "$ram" && PATH=:/usr/sbin:/usr/bin:/sbin:/bin exec chroot "$ram" @sh /stay.sh
