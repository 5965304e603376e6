#!/bin/bash
# A dracut module: what a machine needs whose root file system comes over NBD from Rootcast.

# Only where it is asked for: dracut/rootcast.conf does.
check() {
    require_binaries ip || return 1
    return 255
}

depends() {
    echo network-legacy nbd
}

installkernel() {
    instmods nbd virtio_pci virtio_net
}

install() {
    # After network-legacy's 10-kill-dhclient, which stops whoever could renew the lease.
    inst_hook cleanup 20 "$moddir/keep-address.sh"
}
