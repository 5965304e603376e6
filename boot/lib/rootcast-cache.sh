# shellcheck shell=sh
# The write cache of a machine on the machine itself: dm-snapshot over the read-only disk that the server serves.
# Sourced by rootcast-attach.sh, in the initramfs. What the machine is told, on the kernel command line; of two
# equal words the last counts:
#
#   rootcast.cache=device-ram               compressed memory (zram)
#   rootcast.cache=device-disk              a local disk that is marked for it
#   rootcast.cache=device-ram-overflow      memory first, then such a disk
#   rootcast.cache.fallback=MODE[,MODE]     what to try, in this order, where that is impossible; `server` is the
#                                           server's own cache, `refuse` ends the boot
#   rootcast.cache.ram=PERCENT              of the machine's memory that the cache may take (50)
#   rootcast.cache.take-empty-disk=1        a disk with nothing on it will do, too
#
# A disk is marked by the name of a GPT partition, or the label of a file system or swap: rootcast-cache. No other
# is ever written to. Its first MiB stays as it is, and so does the mark.
#
# The store of the snapshot is filled from its beginning to its end (hence memory first, then disk), and is of the
# kind PO: when it is full, writes fail and reads go on being right. Kind N would give up the whole disk, and so
# does PO when the store itself fails. Every boot begins with an empty one.

# In step with the partition's name above, and docs/guides/write-caches.md.
ROOTCAST_MARK=rootcast-cache
# Percent of the memory that a cache may take, unless the command line says otherwise.
ROOTCAST_RAM_PERCENT=50
# A cache smaller than that is none; memory that a cache leaves is no less than that.
ROOTCAST_LEAST_MIB=16
ROOTCAST_LEAVE_MIB=128
# How long a marked disk may take to appear, and how often a boot that is refused is tried again.
ROOTCAST_DISK_SECONDS=10
ROOTCAST_REFUSED_SECONDS=60
# Sectors of the store that are copied at once: 4 KiB, a block of most file systems, so that a write of one reads
# nothing from the server.
ROOTCAST_CHUNK=8
# Sectors at the beginning of a disk that are left alone.
ROOTCAST_SKIP=2048

# What the kernel command line says of it.
rootcast_cache_arguments() {
	ROOTCAST_CACHE=
	ROOTCAST_FALLBACK=refuse
	ROOTCAST_TAKE_EMPTY=
	ROOTCAST_MAC=
	read -r rootcast_line < /proc/cmdline
	for rootcast_word in $rootcast_line; do
		case "$rootcast_word" in
		rootcast.cache=*) ROOTCAST_CACHE=${rootcast_word#*=} ;;
		rootcast.cache.fallback=*) ROOTCAST_FALLBACK=$(echo "${rootcast_word#*=}" | tr ',' ' ') ;;
		rootcast.cache.ram=*) ROOTCAST_RAM_PERCENT=$(rootcast_seconds "${rootcast_word#*=}" "$ROOTCAST_RAM_PERCENT") ;;
		rootcast.cache.take-empty-disk=1) ROOTCAST_TAKE_EMPTY=1 ;;
		rootcast.cache.take-empty-disk=*) ROOTCAST_TAKE_EMPTY= ;;
		BOOTIF=01-*) ROOTCAST_MAC=$(echo "${rootcast_word#BOOTIF=01-}" | tr '-' ':') ;;
		esac
	done
}

# rootcast_report MODE STATE REASON: to the server. Fails when it did not take it.
rootcast_report() {
	rootcast_size=$((${ROOTCAST_STORE_SECTORS:-0} * 512))
	bash "$ROOTCAST_LIB/rootcast-http.sh" POST "$ROOTCAST_URL/report?mac=$ROOTCAST_MAC" \
		"$(printf 'mode=%s\nstate=%s\nreason=%s\nsize=%s\nused=0\n' "$1" "$2" "$3" "$rootcast_size")" > /dev/null
}

# Finds or makes what the writes go to, before the disk is attached: only then can a machine that falls back to the
# server still be given a disk that it can write. Sets ROOTCAST_STORE; empty: the server keeps the writes.
rootcast_cache_store() {
	rootcast_cache_arguments
	ROOTCAST_STORE=
	ROOTCAST_STORE_SECTORS=0
	ROOTCAST_WHY=
	[ -n "$ROOTCAST_CACHE" ] || return 0
	for ROOTCAST_MODE in $ROOTCAST_CACHE $ROOTCAST_FALLBACK; do
		case "$ROOTCAST_MODE" in
		refuse) break ;;
		server)
			rootcast_say "no $ROOTCAST_CACHE cache: ${ROOTCAST_WHY}. The server keeps the writes instead"
			rootcast_report server good "$ROOTCAST_WHY" && return 0
			rootcast_because 'the server does not take them'
			;;
		*) rootcast_store_of "$ROOTCAST_MODE" && return 0 ;;
		esac
	done
	rootcast_cache_refuse
}

# The boot ends here, and begins anew after a while: by then somebody may have marked a disk, or changed the mode.
rootcast_cache_refuse() {
	rootcast_say "no $ROOTCAST_CACHE cache: $ROOTCAST_WHY"
	rootcast_say "this machine does not boot without; it tries again in $ROOTCAST_REFUSED_SECONDS s"
	ROOTCAST_STORE_SECTORS=0
	rootcast_report none refused "$ROOTCAST_WHY"
	sleep "$ROOTCAST_REFUSED_SECONDS"
	echo 1 > /proc/sys/kernel/sysrq
	echo b > /proc/sysrq-trigger
	reboot -f
	return 1
}

rootcast_because() {
	ROOTCAST_WHY="${ROOTCAST_WHY:+$ROOTCAST_WHY; }$1"
	return 1
}

rootcast_store_of() {
	rootcast_can_snapshot || return 1
	case "$1" in
	device-ram)
		rootcast_ram_store || return 1
		ROOTCAST_STORE=$ROOTCAST_RAM
		ROOTCAST_STORE_SECTORS=$ROOTCAST_RAM_SECTORS
		;;
	device-disk)
		rootcast_disk_store || return 1
		rootcast_linear "$ROOTCAST_DISK_SECTORS" "0 $ROOTCAST_DISK_SECTORS linear $ROOTCAST_LOCAL $ROOTCAST_SKIP"
		;;
	device-ram-overflow)
		rootcast_disk_store || return 1
		rootcast_ram_store || return 1
		rootcast_linear "$((ROOTCAST_RAM_SECTORS + ROOTCAST_DISK_SECTORS))" "0 $ROOTCAST_RAM_SECTORS linear $ROOTCAST_RAM 0
$ROOTCAST_RAM_SECTORS $ROOTCAST_DISK_SECTORS linear $ROOTCAST_LOCAL $ROOTCAST_SKIP"
		;;
	*)
		rootcast_because "$1 is no cache"
		return 1
		;;
	esac || return 1
	# Without its first chunk it is a new one, whatever was written to it in another boot, or of another machine.
	dd if=/dev/zero of="$ROOTCAST_STORE" bs=4096 count=1 conv=fsync 2> /dev/null && return 0
	rootcast_because "$ROOTCAST_STORE cannot be written"
	rootcast_no_store
	return 1
}

# What cannot be a store is taken down again: the mode that is tried next, the server's too, is not to find it.
rootcast_no_store() {
	[ "$ROOTCAST_STORE" != /dev/mapper/rootcast-store ] || dmsetup remove --retry rootcast-store
	ROOTCAST_STORE=
	ROOTCAST_STORE_SECTORS=0
}

rootcast_can_snapshot() {
	modprobe -q dm_mod
	modprobe -q dm_snapshot
	case "$(dmsetup targets)" in
	*snapshot*) ;;
	*) rootcast_because 'the kernel has no dm-snapshot' ;;
	esac
}

# rootcast_linear SECTORS TABLE
rootcast_linear() {
	dmsetup create rootcast-store --table "$2" || {
		rootcast_because 'the device mapper refuses the store'
		return 1
	}
	[ -e /dev/mapper/rootcast-store ] || dmsetup mknodes rootcast-store
	ROOTCAST_STORE=/dev/mapper/rootcast-store
	ROOTCAST_STORE_SECTORS=$1
}

# Compressed memory, or plain where there is no zram. Sets ROOTCAST_RAM and ROOTCAST_RAM_SECTORS. It takes no memory
# before it is written to, and never more than its size and some percent.
rootcast_ram_store() {
	[ -z "$ROOTCAST_RAM" ] || return 0
	while read -r rootcast_name rootcast_kib _; do
		[ "$rootcast_name" != MemTotal: ] || break
	done < /proc/meminfo
	rootcast_mib=$((rootcast_kib * ROOTCAST_RAM_PERCENT / 102400))
	if [ "$rootcast_mib" -lt "$ROOTCAST_LEAST_MIB" ]; then
		rootcast_because "$ROOTCAST_RAM_PERCENT % of the memory are $rootcast_mib MiB, less than $ROOTCAST_LEAST_MIB"
		return 1
	fi
	if [ "$((rootcast_kib / 1024 - rootcast_mib))" -lt "$ROOTCAST_LEAVE_MIB" ]; then
		rootcast_because "a cache of $rootcast_mib MiB leaves less than $ROOTCAST_LEAVE_MIB MiB of memory"
		return 1
	fi
	rootcast_zram "$rootcast_mib" || rootcast_brd "$rootcast_mib" || {
		rootcast_because 'the kernel has neither zram nor brd'
		return 1
	}
	ROOTCAST_RAM_SECTORS=$((rootcast_mib * 2048))
}

# A loop device above it, for zram has sectors of 4096 bytes, and with those XFS and FAT of 512 cannot be mounted.
rootcast_zram() {
	modprobe -q zram
	modprobe -q loop
	[ -e /sys/class/zram-control/hot_add ] || return 1
	# A device of our own: the image may swap to zram0.
	read -r rootcast_number < /sys/class/zram-control/hot_add || return 1
	rootcast_sys=/sys/block/zram$rootcast_number
	for rootcast_algorithm in lzo-rle lz4 zstd lzo 842; do
		# One that the kernel has no module for.
		echo "$rootcast_algorithm" 2> /dev/null > "$rootcast_sys/comp_algorithm" || continue
		echo "$1M" 2> /dev/null > "$rootcast_sys/disksize" && break
	done
	read -r rootcast_sectors < "$rootcast_sys/size"
	[ "$rootcast_sectors" -eq "$(($1 * 2048))" ] || return 1
	[ -e "/dev/zram$rootcast_number" ] || udevadm settle
	ROOTCAST_RAM=$(losetup --find --show --sector-size 512 "/dev/zram$rootcast_number") || ROOTCAST_RAM=
	[ -n "$ROOTCAST_RAM" ]
}

rootcast_brd() {
	[ ! -e /sys/module/brd ] || return 1
	modprobe -q brd rd_nr=1 max_part=0 rd_size="$(($1 * 1024))" || return 1
	[ -e /dev/ram0 ] || udevadm settle
	[ -e /dev/ram0 ] || return 1
	ROOTCAST_RAM=/dev/ram0
}

# The largest disk that is marked; where there is none, the largest empty one. Sets ROOTCAST_LOCAL and
# ROOTCAST_DISK_SECTORS.
rootcast_disk_store() {
	[ -z "$ROOTCAST_LOCAL" ] || return 0
	for rootcast_module in virtio_blk virtio_scsi nvme ahci sd_mod; do
		modprobe -q "$rootcast_module"
	done
	rootcast_waited=0
	until rootcast_find_disk rootcast_is_marked ||
		{ [ -n "$ROOTCAST_TAKE_EMPTY" ] && rootcast_find_disk rootcast_is_empty; }; do
		if [ "$rootcast_waited" -ge "$ROOTCAST_DISK_SECONDS" ]; then
			rootcast_because "no disk is marked $ROOTCAST_MARK"
			return 1
		fi
		sleep 1
		rootcast_waited=$((rootcast_waited + 1))
	done
}

# rootcast_find_disk CONDITION
rootcast_find_disk() {
	ROOTCAST_LOCAL=
	ROOTCAST_DISK_SECTORS=0
	for rootcast_sys in /sys/class/block/*; do
		rootcast_name=${rootcast_sys##*/}
		case "$rootcast_name" in
		nbd* | loop* | ram* | zram* | dm-* | sr* | fd* | md*) continue ;;
		esac
		[ -b "/dev/$rootcast_name" ] || continue
		read -r rootcast_sectors < "$rootcast_sys/size"
		read -r rootcast_ro < "$rootcast_sys/ro"
		[ "$rootcast_ro" = 0 ] || continue
		rootcast_sectors=$((rootcast_sectors - ROOTCAST_SKIP))
		[ "$rootcast_sectors" -ge "$((ROOTCAST_LEAST_MIB * 2048))" ] || continue
		[ "$rootcast_sectors" -gt "$ROOTCAST_DISK_SECTORS" ] || continue
		rootcast_is_unused "$rootcast_sys" || continue
		"$1" "$rootcast_sys" || continue
		ROOTCAST_LOCAL=/dev/$rootcast_name
		ROOTCAST_DISK_SECTORS=$rootcast_sectors
	done
	[ -n "$ROOTCAST_LOCAL" ]
}

# From the disk itself, not from what somebody remembers of it.
rootcast_is_marked() {
	for rootcast_fact in LABEL PART_ENTRY_NAME; do
		rootcast_value=$(blkid -p -s "$rootcast_fact" -o value "/dev/${1##*/}" 2> /dev/null)
		[ "$rootcast_value" != "$ROOTCAST_MARK" ] || return 0
	done
	return 1
}

# No other device is made of it, no partition is in it.
rootcast_is_unused() {
	for rootcast_part in "$1"/holders/* "$1/${1##*/}"*; do
		[ ! -e "$rootcast_part" ] || return 1
	done
}

# A whole disk without any signature, and nothing but zeroes where signatures are.
rootcast_is_empty() {
	[ ! -e "$1/partition" ] || return 1
	read -r rootcast_removable < "$1/removable"
	[ "$rootcast_removable" = 0 ] || return 1
	blkid -p "/dev/${1##*/}" > /dev/null 2>&1
	# 2: nothing was found. Anything else: something was, or it could not be looked at.
	[ $? -eq 2 ] || return 1
	[ "$(dd if="/dev/${1##*/}" bs=512 count="$ROOTCAST_SKIP" 2> /dev/null | tr -d '\000' | wc -c)" -eq 0 ]
}

# Puts the cache over the disk. Sets ROOTCAST_DISK.
rootcast_cache() {
	[ -n "$ROOTCAST_STORE" ] || return 0
	rootcast_sectors=$(blockdev --getsz "$ROOTCAST_ORIGIN") || rootcast_sectors=0
	if ! dmsetup create rootcast-cache \
		--table "0 $rootcast_sectors snapshot $ROOTCAST_ORIGIN $ROOTCAST_STORE PO $ROOTCAST_CHUNK"; then
		rootcast_because 'the device mapper refuses the snapshot'
		rootcast_cache_refuse
		return 1
	fi
	[ -e /dev/mapper/rootcast-cache ] || dmsetup mknodes rootcast-cache
	# shellcheck disable=SC2034 # rootcast_partitions uses it
	ROOTCAST_DISK=/dev/mapper/rootcast-cache
	[ -z "$ROOTCAST_WHY" ] || rootcast_say "no $ROOTCAST_CACHE cache: ${ROOTCAST_WHY}. It is $ROOTCAST_MODE instead"
	# Whoever watches it says it again and again: a server that is away now hears of it later.
	rootcast_report "$ROOTCAST_MODE" good "$ROOTCAST_WHY"
	{
		echo "MODE=$ROOTCAST_MODE"
		echo "REPORT='$ROOTCAST_URL/report?mac=$ROOTCAST_MAC'"
		echo "REASON='$(echo "$ROOTCAST_WHY" | tr "'" ' ')'"
		echo "SIZE=$((ROOTCAST_STORE_SECTORS * 512))"
	} > "$ROOTCAST_RUN/cache.new"
	mv "$ROOTCAST_RUN/cache.new" "$ROOTCAST_RUN/cache"
}
