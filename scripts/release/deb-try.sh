#!/bin/sh
# sh scripts/release/deb-try.sh [--boot] [PACKAGE]: installs the Debian package (default: the one in artifacts/) in a fresh Debian 13 of
# its own, starts a NATS server and both roles there, and removes it again. As root, with debootstrap. Without --boot there is no
# systemd running in it: the units are verified, and what they start is started by hand, as an account without rights. With --boot
# (systemd-nspawn, of the package systemd-container) that Debian is booted without a network, and its systemd starts, reloads, restarts and
# stops the units in their sandboxes. DEB_TREE=DIR: a tree that is there already, and stays.
set -eu
cd "$(dirname "$0")/../.."
boot=no
if [ "${1:-}" = --boot ]; then boot=yes; shift; fi
package=${1:-$(ls -t artifacts/smb2nats_*.deb | head -1)}
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -1)
tree=${DEB_TREE:-}
# A machine that boots must not find ours.
unmount() { while umount "$tree/proc" 2>/dev/null; do :; done; }
trap unmount EXIT
if [ -z "$tree" ]; then
  tree=$(mktemp -d)
  trap 'unmount; rm -rf --one-file-system "$tree"' EXIT
  debootstrap --variant=minbase --include=ca-certificates,nodejs,systemd,systemd-sysv,dbus trixie "$tree" "$mirror" >/dev/null
fi
mount -t proc proc "$tree/proc" 2>/dev/null || true
# The network is shared with this machine: ports of our own.
nats_port=${NATS_PORT:-42822}
http_port=${HTTP_PORT:-42823}
gateway_port=${GATEWAY_PORT:-42824}
cp "$package" "$tree/tmp/smb2nats.deb"
inside() { chroot "$tree" /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp "$@"; }
# One simple command, so that what runs in the background is the process itself and can be told to end.
as_nobody="chroot $tree setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set=-all
  env PATH=/usr/bin:/bin:/usr/sbin HOME=/tmp SMB2NATS_NATS_SERVERS=nats://127.0.0.1:$nats_port SMB2NATS_HTTP_PORT=$http_port"
say() { echo "deb-try: $*"; }

inside env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends nats-server >/dev/null 2>&1
inside dpkg -i /tmp/smb2nats.deb >/dev/null
say "installed: $(inside smb2nats --version)"
inside smb2nats config check --config /etc/smb2nats/smb2nats.yaml
inside systemd-analyze verify smb2nats-worker.service smb2nats-gateway.service
for unit in worker gateway; do
  say "exposure of the $unit: $(inside systemd-analyze security --offline=true "/usr/lib/systemd/system/smb2nats-$unit.service" | tail -1)"
done

if [ $boot = yes ]; then
  unmount
  sh scripts/release/deb-boot.sh "$tree"
  inside dpkg -r smb2nats >/dev/null
  say "removed"
  exit 0
fi

$as_nobody nats-server -js -sd /tmp/nats -a 127.0.0.1 -p "$nats_port" >"$tree/tmp/nats.log" 2>&1 &
nats=$!
$as_nobody smb2nats worker --config /etc/smb2nats/smb2nats.yaml 2>"$tree/tmp/worker.log" &
worker=$!
$as_nobody SMB2NATS_HTTP_PORT=0 SMB2NATS_GATEWAY_PORT="$gateway_port" smb2nats gateway --config /etc/smb2nats/smb2nats.yaml 2>"$tree/tmp/gateway.log" &
gateway=$!
started="$nats $worker $gateway"
$as_nobody smb2nats health --wait 60 || { tail -n 5 "$tree"/tmp/*.log; kill $started; exit 1; }
$as_nobody smb2nats status
for process in "$worker" "$gateway"; do
  kill -TERM "$process"
  wait "$process" || { say "ended with $?"; tail -n 5 "$tree"/tmp/*.log; kill -KILL $started 2>/dev/null; exit 1; }
done
kill -TERM "$nats"
wait "$nats" || true
say "both roles ended with 0 at SIGTERM"
inside dpkg -r smb2nats >/dev/null
test ! -e "$tree/usr/lib/smb2nats" && test -e "$tree/etc/smb2nats/smb2nats.yaml"
say "removed; the configuration stays"
