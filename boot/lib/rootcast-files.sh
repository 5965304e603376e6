# shellcheck shell=sh
# Which programs go into an initramfs, for initramfs-tools and dracut alike. Sourced when it is built.

# What rootcast-stay.sh and rootcast-watch.sh run, to the machine's end.
ROOTCAST_RAM_PROGRAMS='dash nbd-client dmsetup sleep dd bash'
# What puts that into a ramfs, and what the initramfs needs besides.
ROOTCAST_PROGRAMS="$ROOTCAST_RAM_PROGRAMS cp mkdir mkfifo mount chroot unshare setsid partx tr cat"
# What rootcast-cache.sh and rootcast-identity.sh run.
ROOTCAST_PROGRAMS="$ROOTCAST_PROGRAMS blkid blockdev chmod losetup mv rm touch wc"
ROOTCAST_MODULES='nbd dm_mod dm_multipath dm_round_robin'
# Of a write cache: where it goes, and local disks. What a kernel does not have is passed over.
ROOTCAST_MODULES="$ROOTCAST_MODULES dm_snapshot zram loop brd lzo_rle lz4 zstd"
ROOTCAST_MODULES="$ROOTCAST_MODULES virtio_blk virtio_scsi nvme ahci sd_mod"

# Prints the files of ROOTCAST_RAM_PROGRAMS with their libraries, one a line.
rootcast_ram_list() {
	for program in $ROOTCAST_RAM_PROGRAMS; do
		path=$(command -v "$program") || continue
		echo "$path"
		ldd "$path" | grep -o '/[^ ]*'
	done | sort -u
}
