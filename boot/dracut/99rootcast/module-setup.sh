#!/bin/bash
# A dracut module: what a machine needs whose root file system comes over NBD from Rootcast.

# Only where it is asked for: dracut/rootcast.conf does.
check() {
    # shellcheck source=/dev/null
    . /usr/lib/rootcast/rootcast-files.sh || return 1
    # shellcheck disable=SC2086
    require_binaries ip $ROOTCAST_PROGRAMS || return 1
    return 255
}

depends() {
    echo network-legacy nbd dm
}

installkernel() {
    # shellcheck source=/dev/null
    . /usr/lib/rootcast/rootcast-files.sh
    # shellcheck disable=SC2086
    instmods virtio_pci virtio_net $ROOTCAST_MODULES
}

install() {
    # shellcheck source=/dev/null
    . /usr/lib/rootcast/rootcast-files.sh
    # shellcheck disable=SC2086
    inst_multiple $ROOTCAST_PROGRAMS
    inst_multiple /usr/lib/rootcast/*.sh
    inst_multiple /usr/lib/rootcast/*.rules
    inst_rules /usr/lib/rootcast/59-rootcast.rules
    # shellcheck disable=SC2154
    rootcast_ram_list > "$initdir/usr/lib/rootcast/ram.list"
    # Before 95nbd reads the command line, and takes the disk for its own.
    # shellcheck disable=SC2154
    inst_hook cmdline 80 "$moddir/parse-rootcast.sh"
    inst_script "$moddir/rootcastroot.sh" /sbin/rootcastroot
    # After network-legacy's 10-kill-dhclient, which stops whoever could renew the lease.
    inst_hook cleanup 20 "$moddir/keep-address.sh"
    inst_hook pre-pivot 20 "$moddir/identity.sh"
    dracut_need_initqueue
}
