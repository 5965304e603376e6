#!/bin/sh
# A machine of Rootcast's has its disk attached by rootcastroot.sh, not by 95nbd. This file is sourced.
# shellcheck source=/dev/null
. /usr/lib/rootcast/rootcast-attach.sh

if rootcast_arguments; then
    # dracut calls /sbin/rootcastroot when the network is up.
    # shellcheck disable=SC2034
    netroot=rootcast
    # udev gives our device the name that `root=` says; the whole disk is dracut's /dev/root.
    # shellcheck disable=SC2034
    [ -n "$ROOTCAST_ROOT" ] || root=block:/dev/root
    # shellcheck disable=SC2034
    rootok=1
fi
