#!/bin/sh
# Makes the system it runs in one that boots over Rootcast: `rootcast image prepare`, and an import that prepares, run
# it in the image. Beside it are the files to bring, below the names of who needs them: any, initramfs-tools, dracut.
#
#   prepare.sh [--install]      install packages that are missing; otherwise they are only named. Names are resolved
#                               as resolv.conf beside it says, where there is one
#
# Says what it did, a line each: "changed: …", "same: …", "note: …", "missing: PACKAGE", "refused: …" (and fails).
# Doing it again changes nothing.
set -u
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
here=$(dirname "$0")
install=
[ "${1:-}" != --install ] || install=1
# What the initramfs was made of; it is made anew when that changes.
stamp=/usr/lib/rootcast/prepared
policy=/usr/sbin/policy-rc.d
wrote_policy=
resolv=/etc/resolv.conf
resolv_aside=/etc/resolv.conf.before-rootcast
wrote_resolv=

refuse() {
	echo "refused: $1"
	exit 1
}

[ -d "$here/any" ] || refuse 'the files to bring are not beside it (rootcast image files FOLDER)'
# shellcheck source=/dev/null
[ ! -r /etc/os-release ] || . /etc/os-release
case " ${ID:-unknown} ${ID_LIKE:-} " in
*' debian '*) ;;
*) refuse "this is ${PRETTY_NAME:-${ID:-an unknown system}}: only Debian and what is made from it (with apt) is known" ;;
esac
if [ -x /usr/sbin/update-initramfs ]; then
	tool=initramfs-tools
	packages='nbd-client dmsetup bash dash util-linux mount coreutils'
elif [ -x /usr/bin/dracut ]; then
	tool=dracut
	packages='nbd-client dmsetup bash dash util-linux mount coreutils dracut-network isc-dhcp-client procps'
else
	refuse 'there is neither initramfs-tools nor dracut'
fi
set -- /boot/vmlinuz-*
[ -e "$1" ] || refuse 'there is no kernel in /boot (where it is elsewhere, run this in the running system: rootcast image files)'

clean() {
	[ -z "$wrote_policy" ] || rm -f "$policy"
	[ -z "$wrote_resolv" ] || rm -f "$resolv"
	if [ -e "$resolv_aside" ] || [ -L "$resolv_aside" ]; then
		mv -f "$resolv_aside" "$resolv"
	fi
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

missing=
for package in $packages; do
	case "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null)" in
	installed) ;;
	*) missing="$missing $package" ;;
	esac
done
if [ -n "$missing" ]; then
	for package in $missing; do
		echo "missing: $package"
	done
	[ -n "$install" ] || refuse "packages are missing:$missing (install them, or say --install)"
	# Nothing is to be started in a chroot.
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' > "$policy"
		chmod 755 "$policy"
		wrote_policy=1
	fi
	if [ -e "$here/resolv.conf" ]; then
		if [ -e "$resolv" ] || [ -L "$resolv" ]; then
			mv "$resolv" "$resolv_aside" || refuse "$resolv cannot be moved aside"
		fi
		cp "$here/resolv.conf" "$resolv" || refuse "$resolv cannot be written"
		wrote_resolv=1
	fi
	apt-get -qq update >&2 || refuse 'apt-get update failed'
	# shellcheck disable=SC2086
	apt-get -qq -y --no-install-recommends install $missing >&2 || refuse "apt-get could not install$missing"
	echo "changed: packages installed:$missing"
fi

# bring FOLDER: what of it is not there yet, or is another.
bring() {
	(cd "$here/$1" && find . -type f) | sort | while read -r file; do
		to=/${file#./}
		if cmp -s "$here/$1/$file" "$to" && [ "$(stat -c %a "$to")" = "$(stat -c %a "$here/$1/$file")" ]; then
			continue
		fi
		mkdir -p "$(dirname "$to")" && cp -p "$here/$1/$file" "$to" && chown 0:0 "$to" || exit 1
		echo "changed: $to"
	done
}
bring any || refuse 'a file could not be written'
bring "$tool" || refuse 'a file could not be written'

# What earlier versions brought, and the files above do now.
old=/usr/share/initramfs-tools/scripts/init-bottom/rootcast-stage
if [ -e "$old" ]; then
	rm -f "$old" || refuse "$old could not be removed"
	echo "changed: $old removed"
fi

if [ -e /etc/systemd/system/multi-user.target.wants/rootcast-ready.service ]; then
	echo 'same: rootcast-ready.service is enabled'
else
	mkdir -p /etc/systemd/system/multi-user.target.wants
	ln -s /etc/systemd/system/rootcast-ready.service /etc/systemd/system/multi-user.target.wants/ ||
		refuse 'rootcast-ready.service could not be enabled'
	echo 'changed: rootcast-ready.service enabled'
fi

# What would be the same on every machine.
if [ -s /etc/machine-id ]; then
	: > /etc/machine-id || refuse '/etc/machine-id could not be emptied'
	echo 'changed: /etc/machine-id emptied: every machine is given its own'
fi
if [ -f /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then
	ln -sf /etc/machine-id /var/lib/dbus/machine-id || refuse '/var/lib/dbus/machine-id could not be linked'
	echo 'changed: /var/lib/dbus/machine-id is /etc/machine-id'
fi
for file in /etc/hostname /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /var/lib/systemd/random-seed \
	/var/lib/systemd/credential.secret; do
	[ -e "$file" ] || continue
	rm -f "$file" || refuse "$file could not be removed"
	echo "changed: $file removed: every machine has its own"
done
if [ -e /lib/systemd/system/NetworkManager.service ]; then
	echo 'note: NetworkManager must leave the card alone that the machine boots from (unmanaged-devices)'
fi
if grep -Eqs '^[[:space:]]*(auto|allow-hotplug)[[:space:]]+(e|w)' /etc/network/interfaces; then
	echo 'note: /etc/network/interfaces configures cards: leave out the one that the machine boots from'
fi

# shellcheck disable=SC2046,SC2002
wanted=$(cat $(find "$here/any" "$here/$tool" -type f | sort) | sha256sum)
if [ "$(cat "$stamp" 2> /dev/null)" = "$wanted" ] && [ -z "$missing" ]; then
	echo 'same: the initramfs has the hooks'
	exit 0
fi
case "$tool" in
initramfs-tools)
	update-initramfs -u -k all >&2 || refuse 'update-initramfs failed'
	for kernel in /boot/vmlinuz-*; do
		lsinitramfs "/boot/initrd.img-${kernel#/boot/vmlinuz-}" 2> /dev/null | grep -q rootcast-attach.sh ||
			refuse "the initramfs of ${kernel#/boot/vmlinuz-} has no hooks"
	done
	;;
dracut)
	made=
	for modules in /lib/modules/*; do
		version=${modules#/lib/modules/}
		[ -e "/boot/vmlinuz-$version" ] || continue
		dracut --force "/boot/initrd.img-$version" "$version" >&2 || refuse 'dracut failed'
		lsinitrd "/boot/initrd.img-$version" 2> /dev/null | grep -q rootcast-attach.sh ||
			refuse "the initramfs of $version has no hooks"
		made=1
	done
	[ -n "$made" ] || refuse 'there is no kernel in /boot whose modules are in /lib/modules'
	;;
esac
echo "$wanted" > "$stamp" || refuse "$stamp could not be written"
echo "changed: the initramfs is made anew, by $tool"
