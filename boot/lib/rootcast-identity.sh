# shellcheck shell=sh
# One image, many machines: writes into the mounted root, before init starts, what makes this machine itself. Sourced
# in the initramfs, when the root file system is mounted, and tells the server that it is. Which:
#
#   /etc/hostname, /etc/machine-id          of the machine, the same at every boot
#   /etc/ssh/ssh_host_*                     as the vDisk says: kept by the server, made anew, or left alone
#   /etc/rootcast/personality.json, .env    its personality data
#   /etc/rootcast/identity.d/*              of the image: run in it, with the names and values as environment

# How often the server is asked, and how long between.
ROOTCAST_IDENTITY_TRIES=5
ROOTCAST_IDENTITY_SECONDS=2

# rootcast_identity FOLDER: of the mounted root.
rootcast_identity() {
	rootcast_cache_arguments
	[ -n "$ROOTCAST_URL" ] && [ -n "$ROOTCAST_MAC" ] || return 0
	rootcast_mounted < /dev/null > /dev/null 2>&1 &
	rootcast_answer=$(rootcast_ask "identity?mac=$ROOTCAST_MAC")
	case $? in
	0) ;;
	2)
		rootcast_say "the server refuses to say who this machine is ($rootcast_answer): it has the name and the keys of its image"
		return 1
		;;
	*)
		rootcast_say 'the server does not say who this machine is: it has the name and the keys of its image'
		return 1
		;;
	esac
	ROOTCAST_HOSTNAME=
	ROOTCAST_MACHINE_ID=
	ROOTCAST_SSH_HOST_KEYS=image
	eval "$rootcast_answer"
	rootcast_was_ro=
	[ -w "$1/etc" ] && touch "$1/etc/.rootcast" 2> /dev/null || rootcast_was_ro=1
	[ -z "$rootcast_was_ro" ] || mount -o remount,rw "$1" || {
		rootcast_say 'the root file system cannot be written: this machine has the name and the keys of its image'
		return 1
	}
	rm -f "$1/etc/.rootcast"
	rootcast_names "$1"
	rootcast_ssh_keys "$1"
	rootcast_personality "$1"
	rootcast_hooks "$1"
	[ -z "$rootcast_was_ro" ] || mount -o remount,ro "$1"
}

# For the timeline of the boot. Nothing waits for it, and nothing depends on it.
rootcast_mounted() {
	bash "$ROOTCAST_LIB/rootcast-http.sh" POST "$ROOTCAST_URL/stage?mac=$ROOTCAST_MAC&stage=root-mounted"
}

# rootcast_ask WHAT: prints the last answer. Fails as rootcast-http.sh does; one that refuses is not asked again.
rootcast_ask() {
	rootcast_try=1
	while :; do
		rootcast_body=$(bash "$ROOTCAST_LIB/rootcast-http.sh" GET "$ROOTCAST_URL/$1")
		rootcast_status=$?
		[ "$rootcast_status" -eq 1 ] && [ "$rootcast_try" -lt "$ROOTCAST_IDENTITY_TRIES" ] || break
		rootcast_try=$((rootcast_try + 1))
		sleep "$ROOTCAST_IDENTITY_SECONDS"
	done
	printf '%s\n' "$rootcast_body"
	return "$rootcast_status"
}

# rootcast_put FILE MODE: what is read becomes the file, which nobody may read meanwhile that may not later.
rootcast_put() {
	rm -f "$1"
	(umask 077 && cat > "$1") && chmod "$2" "$1"
}

rootcast_names() {
	[ -n "$ROOTCAST_HOSTNAME" ] || return 0
	echo "$ROOTCAST_HOSTNAME" | rootcast_put "$1/etc/hostname" 644
	echo "$ROOTCAST_HOSTNAME" > /proc/sys/kernel/hostname
	echo "$ROOTCAST_MACHINE_ID" | rootcast_put "$1/etc/machine-id" 444
}

# shellcheck disable=SC2154 # they come with the answer
rootcast_ssh_keys() {
	[ -d "$1/etc/ssh" ] || return 0
	case "$ROOTCAST_SSH_HOST_KEYS" in
	kept)
		rm -f "$1"/etc/ssh/ssh_host_*
		printf '%s' "$ROOTCAST_SSH_ed25519" | rootcast_put "$1/etc/ssh/ssh_host_ed25519_key" 600
		echo "$ROOTCAST_SSH_ed25519_pub" | rootcast_put "$1/etc/ssh/ssh_host_ed25519_key.pub" 644
		printf '%s' "$ROOTCAST_SSH_ecdsa" | rootcast_put "$1/etc/ssh/ssh_host_ecdsa_key" 600
		echo "$ROOTCAST_SSH_ecdsa_pub" | rootcast_put "$1/etc/ssh/ssh_host_ecdsa_key.pub" 644
		;;
	each-boot)
		rm -f "$1"/etc/ssh/ssh_host_*
		chroot "$1" ssh-keygen -A > /dev/null || rootcast_say 'no SSH host keys could be made'
		;;
	esac
}

rootcast_personality() {
	mkdir -p "$1/etc/rootcast"
	rootcast_json=$(rootcast_ask "personality?mac=$ROOTCAST_MAC&format=json") || rootcast_json='{}'
	rootcast_env=$(rootcast_ask "personality?mac=$ROOTCAST_MAC&format=env") || rootcast_env=
	echo "$rootcast_json" | rootcast_put "$1/etc/rootcast/personality.json" 600
	echo "$rootcast_env" | rootcast_put "$1/etc/rootcast/personality.env" 600
}

# A hook that fails is told, and the boot goes on.
rootcast_hooks() {
	for rootcast_hook in "$1"/etc/rootcast/identity.d/*; do
		[ -x "$rootcast_hook" ] || continue
		(
			set -a
			export ROOTCAST_HOSTNAME ROOTCAST_MACHINE_ID
			eval "$rootcast_env"
			# Private keys are for nobody but sshd.
			unset ROOTCAST_SSH_ed25519 ROOTCAST_SSH_ecdsa
			chroot "$1" "${rootcast_hook#"$1"}"
		) || rootcast_say "${rootcast_hook#"$1"} failed"
	done
}
