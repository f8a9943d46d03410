#!/usr/bin/env bash
# With "hide unreadable" Samba never lists a directory that may be entered but not read, and opens it by name all the same.
#
# Samba 4.17 (Debian 12), its smbclient. A directory of mode 0711 is on no listing of a share with `hide unreadable = yes`.
# Whoever knows its name reads the files in it all the same, and lists the directories in it, as on a share without that
# setting, where it is listed. So a name that is on no listing may be in use; and who follows a share by
# comparing listings takes such a directory for removed once its mode has lost the `r`.
#
# Needs: root, Debian 12's samba and smbclient. Everything is in a temporary folder, on loopback.
set -euo pipefail
dir=$(mktemp -d); chmod 755 "$dir"; cd "$dir"
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
mkdir -p private lock state cache pid ncalrpc share/closed/sub
echo words >share/closed/file; echo words >share/closed/sub/deep; touch share/seen
chmod 711 share/closed
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >smb.conf <<CONF
[global]
  workgroup = LAB
  server role = standalone server
  interfaces = 127.0.0.1
  bind interfaces only = yes
  smb ports = $port
  disable netbios = yes
  load printers = no
  printing = bsd
  printcap name = /dev/null
  private dir = $dir/private
  lock directory = $dir/lock
  state directory = $dir/state
  cache directory = $dir/cache
  pid directory = $dir/pid
  ncalrpc dir = $dir/ncalrpc
  passdb backend = tdbsam:$dir/private/passdb.tdb
  log file = $dir/smbd.log
[plain]
  path = $dir/share
[hiding]
  path = $dir/share
  hide unreadable = yes
CONF
printf 'Watch-me-7\nWatch-me-7\n' | smbpasswd -c smb.conf -a -s daemon >/dev/null
smbd --version
# A process group of its own: at its end smbd signals all of it.
setsid smbd -F -s smb.conf --no-process-group >/dev/null 2>&1 & server=$!
for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
ask() { smbclient -s smb.conf -p "$port" -U daemon%Watch-me-7 "//127.0.0.1/$1" -c "$2" 2>&1 </dev/null || true; }
names() { sed -nE 's/^  ([a-z]+) +[A-Z].*/\1/p' | sort | paste -sd ' '; }
for share in plain hiding; do
  echo "$share lists: $(ask "$share" ls | names)"
  echo "$share, its file by name: $(ask "$share" 'get closed\file -' | head -n 1)"
  echo "$share, listed: $(ask "$share" 'ls closed\*' | grep -o 'NT_STATUS_[A-Z_]*' | head -n 1)"
  echo "$share, a directory in it, listed: $(ask "$share" 'ls closed\sub\*' | names)"
done | tee out.txt
expected='plain lists: closed seen
plain, its file by name: words
plain, listed: NT_STATUS_ACCESS_DENIED
plain, a directory in it, listed: deep
hiding lists: seen
hiding, its file by name: words
hiding, listed: NT_STATUS_ACCESS_DENIED
hiding, a directory in it, listed: deep'
[ "$(cat out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
