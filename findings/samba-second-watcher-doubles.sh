#!/usr/bin/env bash
# As soon as a second client watches a directory, Samba 4.17 tells both of them most changes twice.
#
# Samba 4.17 (Debian 12), smbprotocol 1.17.0 (PyPI). One client that watches a directory is told each change once. A second
# one, on a connection of its own, changes what the first is told: ADDED, REMOVED and RENAMED_NEW_NAME come twice to
# both, RENAMED_OLD_NAME once. A third does not make it three times. Each of notifyd's inotify watches of a directory
# triggers all its listeners; from 4.22 on it has one watch for each directory (bug 14430). Who counts events, or takes a
# second ADDED for a second file of that name, is right until somebody else opens the same folder.
#
# Needs: root, Debian 12's samba (smbd, smbpasswd), python3 with venv. Everything is in a temporary folder, on loopback.
set -euo pipefail
dir=$(mktemp -d); cd "$dir"
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
python3 -m venv py && py/bin/pip -q install --disable-pip-version-check smbprotocol==1.17.0
mkdir -p private lock state cache pid ncalrpc share
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
  read only = no
  force user = root
CONF
printf 'Watch-me-7\nWatch-me-7\n' | smbpasswd -c smb.conf -a -s daemon >/dev/null
smbd --version
# A process group of its own: at its end smbd signals all of it.
setsid smbd -F -s smb.conf --no-process-group >/dev/null 2>&1 & server=$!
for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
cat >watch.py <<'PY'
import collections, os, sys, threading, time, uuid
from smbprotocol.change_notify import CompletionFilter, FileSystemWatcher
from smbprotocol.connection import Connection
from smbprotocol.open import CreateDisposition, CreateOptions, ImpersonationLevel, Open, ShareAccess
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

port, share = int(sys.argv[1]), sys.argv[2]
ACTIONS = {1: "ADDED", 2: "REMOVED", 4: "RENAMED_OLD_NAME", 5: "RENAMED_NEW_NAME"}

class Client:
    def __init__(self, name):
        self.told = collections.Counter()
        connection = Connection(uuid.uuid4(), "127.0.0.1", port)
        connection.connect()
        session = Session(connection, "daemon", "Watch-me-7", require_encryption=False)
        session.connect()
        tree = TreeConnect(session, r"\\127.0.0.1\share")
        tree.connect()
        self.directory = Open(tree, name)
        everything = ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE
        self.directory.create(ImpersonationLevel.Impersonation, 0x81, 0x10, everything,
                              CreateDisposition.FILE_OPEN, CreateOptions.FILE_DIRECTORY_FILE)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            watcher = FileSystemWatcher(self.directory)
            watcher.start(CompletionFilter.FILE_NOTIFY_CHANGE_FILE_NAME)
            for each in watcher.wait():
                self.told[f"{ACTIONS[each['action'].get_value()]} {each['file_name'].get_value()}"] += 1

for clients in (1, 2, 3):
    name = f"watched-by-{clients}"
    folder = os.path.join(share, name)
    os.mkdir(folder)
    watching = [Client(name) for _ in range(clients)]
    time.sleep(2)
    open(os.path.join(folder, "a"), "w").close()
    time.sleep(1)
    os.rename(os.path.join(folder, "a"), os.path.join(folder, "b"))
    time.sleep(1)
    os.remove(os.path.join(folder, "b"))
    time.sleep(2)
    said = {", ".join(f"{what} x{count}" for what, count in sorted(client.told.items())) for client in watching}
    print(f"{clients} watching: each told {' or '.join(said)}")
os._exit(0)
PY
timeout 120 py/bin/python watch.py "$port" "$dir/share" | tee out.txt
expected='1 watching: each told ADDED a x1, REMOVED b x1, RENAMED_NEW_NAME b x1, RENAMED_OLD_NAME a x1
2 watching: each told ADDED a x2, REMOVED b x2, RENAMED_NEW_NAME b x2, RENAMED_OLD_NAME a x1
3 watching: each told ADDED a x2, REMOVED b x2, RENAMED_NEW_NAME b x2, RENAMED_OLD_NAME a x1'
[ "$(cat out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
