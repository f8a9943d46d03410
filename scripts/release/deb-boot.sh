#!/bin/sh
# The second half of deb-try.sh --boot: boots the Debian in $1, which has the package and nats-server, and has its systemd run the units.
set -eu
tree=$1
cat >"$tree/usr/local/sbin/deb-try" <<'INSIDE'
#!/bin/sh
# Run by the unit below, inside. Whatever happens, the machine is switched off at the end.
set -u
config=/etc/smb2nats/smb2nats.yaml
cp "$config" /run/good.yaml
trap 'cp /run/good.yaml "$config"; systemctl --no-block poweroff' EXIT
fail() { echo "FAILED: $*"; journalctl --no-pager -n 40 -u 'smb2nats*' -u 'nats*' ; exit 1; }
is() { [ "$(systemctl show -p "$2" --value "$1")" = "$3" ] || fail "$1: $2 is $(systemctl show -p "$2" --value "$1"), not $3"; }
echo "systemd $(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p'), $(nats-server --version), node $(node --version)"
for unit in worker gateway; do
  systemctl start "smb2nats-$unit" || fail "start of the $unit"
  is "smb2nats-$unit" ActiveState active
  [ "$unit" = worker ] && port=9464 || port=9465
  SMB2NATS_HTTP_PORT=$port smb2nats health || fail "the $unit is not ready"
  uid=$(stat -c %u "/proc/$(systemctl show -p MainPID --value "smb2nats-$unit")")
  [ "$uid" -ge 61184 ] || fail "the $unit runs as user $uid, which is no dynamic one"
  echo "$unit: active and ready, as the dynamic user $uid"
done
smb2nats status || fail status
for unit in worker gateway; do
  pid=$(systemctl show -p MainPID --value "smb2nats-$unit")
  systemctl reload "smb2nats-$unit" || fail "reload of the $unit"
  sleep 1
  is "smb2nats-$unit" MainPID "$pid"
  journalctl -q -u "smb2nats-$unit" | grep -q '"event":"config.reloaded"' || fail "the $unit says nothing of its reload"
  systemctl restart "smb2nats-$unit" || fail "restart of the $unit"
  is "smb2nats-$unit" ActiveState active
  [ "$(systemctl show -p MainPID --value "smb2nats-$unit")" != "$pid" ] || fail "the $unit was not restarted"
done
for unit in worker gateway; do
  systemctl kill -s KILL "smb2nats-$unit"
  for _ in $(seq 60); do
    sleep 1
    [ "$(systemctl show -p ActiveState --value "smb2nats-$unit")" = active ] && break
  done
  is "smb2nats-$unit" ActiveState active
  is "smb2nats-$unit" NRestarts 1
  systemctl stop "smb2nats-$unit" || fail "stop of the $unit"
  is "smb2nats-$unit" ExecMainStatus 0
  is "smb2nats-$unit" Result success
done
echo "reloaded, restarted, killed and come back, stopped with 0"
echo 'auth: [' >>"$config"
systemctl start smb2nats-worker || true
for _ in $(seq 60); do
  [ "$(systemctl show -p ActiveState --value smb2nats-worker)" = failed ] && break
  sleep 1
done
is smb2nats-worker ExecMainStatus 78
is smb2nats-worker NRestarts 0
echo "a broken configuration: 78, and not tried again"
echo ALL-SEEN
INSIDE
chmod +x "$tree/usr/local/sbin/deb-try"
# Debian's nats-server has no JetStream unless told so.
grep -q jetstream "$tree/etc/nats-server.conf" || echo 'jetstream { store_dir: /var/lib/nats }' >>"$tree/etc/nats-server.conf"
mkdir -p "$tree/etc/systemd/system/nats-server.service.d"
printf '[Service]\nStateDirectory=nats\n' >"$tree/etc/systemd/system/nats-server.service.d/state.conf"
cat >"$tree/etc/systemd/system/deb-try.service" <<'UNIT'
[Unit]
After=nats-server.service multi-user.target
Requires=nats-server.service
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/deb-try
StandardOutput=file:/var/log/deb-try.log
StandardError=inherit
TimeoutStartSec=300
[Install]
WantedBy=graphical.target
UNIT
mkdir -p "$tree/etc/systemd/system/graphical.target.wants"
ln -sf ../deb-try.service "$tree/etc/systemd/system/graphical.target.wants/deb-try.service"
: >"$tree/var/log/deb-try.log"
timeout 400 systemd-nspawn --quiet --register=no --keep-unit --private-network -D "$tree" --boot systemd.unit=graphical.target \
  >"$tree/var/log/deb-boot.log" 2>&1 || true
rm -f "$tree/etc/systemd/system/graphical.target.wants/deb-try.service"
sed 's/^/deb-boot: /' "$tree/var/log/deb-try.log"
grep -q ALL-SEEN "$tree/var/log/deb-try.log" || { tail -n 20 "$tree/var/log/deb-boot.log"; exit 1; }
