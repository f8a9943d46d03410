#!/usr/bin/env bash
# Every parked CHANGE_NOTIFY makes all listings on its Samba connection dearer, entry by entry.
#
# Samba 4.17 (Debian 12), smbprotocol 1.17.0 (PyPI). The same directory of 100 files is listed on one connection again and
# again. That this connection holds 4,000 other directories open costs nothing; once a CHANGE_NOTIFY is parked on each of
# them a listing takes smbd some three times the processor time, and as before when they are closed. The same
# listing on a second connection of the same user stays cheap. Samba looks through all requests under way whenever it lets
# go of a file, and a listing opens and lets go of each entry. A client that watches thousands of directories should list,
# and open, on another connection than the one that carries its notifies, or spread these over several.
#
# Needs: root, Debian 12's samba (smbd, smbpasswd), python3 with venv. Everything is in a temporary folder, on loopback.
set -euo pipefail
dir=$(mktemp -d); cd "$dir"
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
python3 -m venv py && py/bin/pip -q install --disable-pip-version-check smbprotocol==1.17.0
mkdir -p private lock state cache pid ncalrpc share/listed
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
[share]
  path = $dir/share
  force user = root
CONF
printf 'Watch-me-7\nWatch-me-7\n' | smbpasswd -c smb.conf -a -s daemon >/dev/null
smbd --version
# A process group of its own: at its end smbd signals all of it.
setsid smbd -F -s smb.conf --no-process-group >/dev/null 2>&1 & server=$!
for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
cat >list.py <<'PY'
import os, sys, time, uuid
from smbprotocol.change_notify import CompletionFilter, FileSystemWatcher
from smbprotocol.connection import Connection
from smbprotocol.file_info import FileInformationClass
from smbprotocol.open import (CreateDisposition, CreateOptions, ImpersonationLevel, Open, QueryDirectoryFlags,
                              ShareAccess)
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

port, share, server = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
HELD, FILES, LISTINGS = 4000, 100, 40
EVERYTHING = ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE
for number in range(HELD):
    os.mkdir(os.path.join(share, f"d{number}"))
for number in range(FILES):
    open(os.path.join(share, "listed", f"f{number}"), "w").close()

def children():
    """The processes that smbd has made, one for each connection among them."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                if int(stat.read().rsplit(")", 1)[1].split()[1]) == server:
                    found.add(int(pid))
        except OSError:
            pass
    return found

class Client:
    def __init__(self):
        before = children()
        connection = Connection(uuid.uuid4(), "127.0.0.1", port)
        connection.connect()
        session = Session(connection, "daemon", "Watch-me-7", require_encryption=False)
        session.connect()
        self.tree = TreeConnect(session, r"\\127.0.0.1\share")
        self.tree.connect()
        (self.pid,) = children() - before

    def open(self, name):
        directory = Open(self.tree, name)
        directory.create(ImpersonationLevel.Impersonation, 0x81, 0x10, EVERYTHING,
                         CreateDisposition.FILE_OPEN, CreateOptions.FILE_DIRECTORY_FILE)
        return directory

    def processor_ms(self):
        with open(f"/proc/{self.pid}/stat") as stat:
            user, system = stat.read().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) * 1000 / os.sysconf("SC_CLK_TCK")

    def listing_ms(self):
        before = self.processor_ms()
        for _ in range(LISTINGS):
            directory = self.open("listed")
            found = directory.query_directory("*", FileInformationClass.FILE_ID_FULL_DIRECTORY_INFORMATION,
                                              flags=QueryDirectoryFlags.SMB2_RESTART_SCANS)
            assert len(found) == FILES + 2, len(found)
            directory.close(False)
        return (self.processor_ms() - before) / LISTINGS

holder, other = Client(), Client()
costs = {"nothing held": holder.listing_ms()}
held = [holder.open(f"d{number}") for number in range(HELD)]
costs["4000 directories open"] = holder.listing_ms()
for each in held:
    FileSystemWatcher(each).start(CompletionFilter.FILE_NOTIFY_CHANGE_FILE_NAME)
time.sleep(2)
costs["a notify parked on each"] = holder.listing_ms()
costs["meanwhile on a second connection"] = other.listing_ms()
for each in held:
    each.close(False)
costs["all closed again"] = holder.listing_ms()
for what, ms in costs.items():
    print(f"{what}: {ms:.1f} ms of smbd for one listing", file=sys.stderr)
    print(f"{what}: {'more than twice as dear' if ms > 2 * costs['nothing held'] else 'much the same'}")
PY
py/bin/python list.py "$port" "$dir/share" "$server" | tee out.txt
expected='nothing held: much the same
4000 directories open: much the same
a notify parked on each: more than twice as dear
meanwhile on a second connection: much the same
all closed again: much the same'
[ "$(cat out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
