#!/usr/bin/env bash
# `readdir()` of @marsaud/smb2 keeps the directory open: until its connection ends nobody's rmdir of it takes effect.
#
# @marsaud/smb2 0.18.0, Samba 4.17 (Debian 12), its smbclient. A directory that was listed two seconds ago, by a call that has
# long returned, is removed by another client: the server says yes, as it must, and the directory stays until the last
# handle on it is closed. Meanwhile its name cannot be used again. A service that lists with this library, and keeps
# its connection (`autoCloseTimeout: 0`), is in the way of others in every directory that it has ever listed.
#
# Needs: root, Debian's samba and smbclient, node, npm. NTLMv1 is all that the library can, so the server permits it, and Node
# its DES. Everything is in a temporary folder, on loopback.
set -euo pipefail
dir=$(mktemp -d); chmod 755 "$dir"; cd "$dir"
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @marsaud/smb2@0.18.0 >/dev/null
mkdir -p private lock state cache pid ncalrpc share/listed share/other
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
  ntlm auth = ntlmv1-permitted
[share]
  path = $dir/share
  read only = no
  force user = root
CONF
printf 'Watch-me-7\nWatch-me-7\n' | smbpasswd -c smb.conf -a -s daemon >/dev/null
smbd --version
# A process group of its own: at its end smbd signals all of it.
setsid smbd -F -s smb.conf --no-process-group >/dev/null 2>&1 & server=$!
for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
cat >run.mjs <<'JS'
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import SMB2 from "@marsaud/smb2";

const [port, share] = process.argv.slice(2);
const smbclient = async (command) => {
  const args = ["-s", "smb.conf", "-p", port, "-U", "daemon%Watch-me-7", "//127.0.0.1/share", "-c", command];
  const { stdout, stderr } = await promisify(execFile)("smbclient", args).catch((error) => error);
  return /NT_STATUS_[A-Z_]+/.exec(stdout + stderr)?.[0] ?? "done";
};
const there = (name) => (existsSync(`${share}/${name}`) ? "still there" : "gone");
const client = new SMB2({
  share: "\\\\127.0.0.1\\share",
  port: Number(port),
  domain: "LAB",
  username: "daemon",
  password: "Watch-me-7",
  autoCloseTimeout: 0,
});
console.log(`readdir: ${(await client.readdir("listed")).length} names`);
await sleep(2_000);
for (const name of ["other", "listed"]) {
  const said = await smbclient(`rmdir ${name}`);
  await sleep(1_000);
  console.log(`rmdir ${name} by another client: ${said}, ${there(name)}`);
}
console.log(`mkdir listed by another client: ${await smbclient("mkdir listed")}`);
client.disconnect();
await sleep(2_000);
console.log(`after the first client's end: ${there("listed")}`);
process.exit(0);
JS
timeout 60 node --openssl-legacy-provider run.mjs "$port" "$dir/share" 2>/dev/null | tee out.txt
expected='readdir: 0 names
rmdir other by another client: done, gone
rmdir listed by another client: done, still there
mkdir listed by another client: NT_STATUS_OBJECT_NAME_COLLISION
after the first client'"'"'s end: gone'
[ "$(cat out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
