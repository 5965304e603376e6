#!/bin/bash
# rootcast-http.sh GET|POST URL [BODY]: prints what the boot server answers, an error too. Ends with 0 when that is a
# success and all of it has come; with 2 when the server refuses, so that to ask again would change nothing; with 1
# for everything else. Only bash, for an initramfs and an image alike.
# Lengths are of bytes.
LC_ALL=C
url=${2#http://}
authority=${url%%/*}
host=${authority%:*}
port=${authority##*:}
[ "$port" != "$authority" ] || port=80
exec 3<> "/dev/tcp/$host/$port" || exit 1
printf '%s /%s HTTP/1.0\r\nHost: %s\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' \
	"$1" "${url#*/}" "$authority" "${#3}" "$3" >&3
IFS=' ' read -r -t 20 _ code _ <&3 || exit 1
missing=0
while IFS= read -r -t 20 line <&3; do
	line=${line%$'\r'}
	[ -n "$line" ] || break
	case "${line,,}" in
	content-length:*) missing=$((10#${line//[!0-9]/})) ;;
	esac
done
while IFS= read -r -t 20 line <&3; do
	printf '%s\n' "$line"
	missing=$((missing - ${#line} - 1))
done
# The last line may have no end.
printf '%s' "$line"
[ "$((missing - ${#line}))" -le 0 ] || exit 1
case "$code" in
2??) exit 0 ;;
408 | 429) exit 1 ;;
4??) exit 2 ;;
esac
exit 1
