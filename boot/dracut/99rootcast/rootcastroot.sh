#!/bin/sh
# Attaches the machine's disk: what dracut calls for `netroot=rootcast` when a network card is up. Each card
# that comes up calls it; the first one attaches.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
# shellcheck source=/dev/null
. /usr/lib/rootcast/rootcast-attach.sh

rootcast_arguments || exit 1
mkdir /run/rootcast 2> /dev/null || exit 0
rootcast_root
