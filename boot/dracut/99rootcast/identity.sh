#!/bin/sh
# The root file system is mounted: this machine becomes itself. This file is sourced.
# shellcheck source=/dev/null
. /usr/lib/rootcast/rootcast-attach.sh
# shellcheck source=/dev/null
. /usr/lib/rootcast/rootcast-cache.sh
# shellcheck source=/dev/null
. /usr/lib/rootcast/rootcast-identity.sh

! rootcast_arguments || rootcast_identity "$NEWROOT"
