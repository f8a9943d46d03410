#!/bin/sh
# fetch.sh FOLDER: for `smb2nats ready --exec`. Fetches the file that it is told of into FOLDER, under its final name only when it is
# whole. Needs smbclient and jq; SMB_LOGIN is a file for smbclient's -A, SMB_PORT its port where that is not 445.
set -eu
line=$(cat)
field() { printf '%s' "$line" | jq -r "$1"; }
share=$(field .share) path=$(field .path) name=$(field .name) size=$(field .size)
server=${share#//} server=${server%%/*}
# smbclient wants the port by itself.
share="//${server%%:*}/${share##*/}"
port=${SMB_PORT:-}
case $server in *:*) port=${server##*:} ;; esac
# Commands end at a semicolon or a quote: such a name is somebody's joke.
case $path in *[\;\"]*) echo "not fetched: a name with a quote or a semicolon" >&2; exit 0 ;; esac
part="$1/.$name.$$.part"
trap 'rm -f "$part"' EXIT
smbclient "$share" ${port:+-p "$port"} -A "$SMB_LOGIN" -c "get \"$path\" \"$part\"" >&2
[ "$(wc -c < "$part")" -eq "$size" ] || { echo "changed meanwhile: it will be told again" >&2; exit 0; }
mv "$part" "$1/$name"
