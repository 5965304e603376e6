#!/bin/bash
# rootcast-http.sh GET|POST URL [BODY]: prints what the boot server answers; fails unless that is a success.
# Only bash, for an initramfs and an image alike.
url=${2#http://}
authority=${url%%/*}
host=${authority%:*}
port=${authority##*:}
[ "$port" != "$authority" ] || port=80
exec 3<> "/dev/tcp/$host/$port" || exit 1
printf '%s /%s HTTP/1.0\r\nHost: %s\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' \
	"$1" "${url#*/}" "$authority" "${#3}" "$3" >&3
IFS=' ' read -r -t 20 _ code _ <&3 || exit 1
while IFS= read -r -t 20 line <&3; do
	[ -n "${line%$'\r'}" ] || break
done
while IFS= read -r -t 20 line <&3; do
	printf '%s\n' "$line"
done
case "$code" in
2??) exit 0 ;;
esac
exit 1
