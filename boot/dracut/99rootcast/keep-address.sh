#!/bin/sh
# network-legacy gives the address the lifetime of its lease and then stops the DHCP client: when the
# lease ends, the kernel drops the address, and the machine loses its root. An address for good is what
# initramfs-tools gives, too. A DHCP client of the image may still take it over. This file is sourced.

ip -o -4 addr show scope global dynamic | while read -r _ netif _ address _; do
    ip addr change "$address" dev "$netif" valid_lft forever preferred_lft forever
done
