"""Listens to directories, or lists one, through smbprotocol: a program of `npm run bench -- --peers`. What it is asked and
answers, line by line, is told in bench/peers/lines.ts.

With `set connection own` each directory has a connection, a session, an open and a thread of its own, as Sambee's monitor has;
with `shared` all are on one connection, each still with its thread."""
import os
import sys
import threading
import time
import uuid

import smbclient
from smbprotocol.change_notify import CompletionFilter, FileSystemWatcher
from smbprotocol.connection import Connection
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    DirectoryAccessMask,
    FileAttributes,
    ImpersonationLevel,
    Open,
    ShareAccess,
)
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

FILTER = (
    CompletionFilter.FILE_NOTIFY_CHANGE_FILE_NAME
    | CompletionFilter.FILE_NOTIFY_CHANGE_DIR_NAME
    | CompletionFilter.FILE_NOTIFY_CHANGE_SIZE
    | CompletionFilter.FILE_NOTIFY_CHANGE_LAST_WRITE
)

settings = {"buffer": "65536", "connection": "shared"}
lock = threading.Lock()
names = {}
prefix = ""
overflows = 0
shared = None


def say(line):
    print(line, flush=True)


def connect():
    connection = Connection(uuid.uuid4(), settings["host"], int(settings["port"]))
    connection.connect(timeout=60)
    session = Session(connection, settings["user"], settings["password"], auth_protocol="ntlm")
    session.connect()
    tree = TreeConnect(session, rf"\\{settings['host']}\{settings['share']}")
    tree.connect()
    return tree


def watch(path):
    global shared
    if settings["connection"] == "own":
        tree = connect()
    else:
        shared = tree = shared or connect()
    directory = Open(tree, path.replace("/", "\\"))
    directory.create(
        ImpersonationLevel.Impersonation,
        DirectoryAccessMask.FILE_LIST_DIRECTORY | DirectoryAccessMask.SYNCHRONIZE,
        FileAttributes.FILE_ATTRIBUTE_DIRECTORY,
        ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE,
        CreateDisposition.FILE_OPEN,
        CreateOptions.FILE_DIRECTORY_FILE,
    )
    watcher = start(directory)
    threading.Thread(target=listen, args=(directory, watcher), daemon=True).start()


def start(directory):
    watcher = FileSystemWatcher(directory)
    watcher.start(FILTER, output_buffer_length=int(settings["buffer"]))
    return watcher


def listen(directory, watcher):
    global overflows
    while True:
        result = watcher.wait()
        at = time.monotonic_ns()
        if result is None:
            return
        with lock:
            if not result:
                overflows += 1
            for each in result:
                name = each["file_name"].get_value()
                if name.startswith(prefix):
                    names.setdefault(name, at)
        watcher = start(directory)


def entries(path):
    where = rf"\\{settings['host']}\{settings['share']}" + "\\" + path.replace("/", "\\")
    login = {"port": int(settings["port"]), "username": settings["user"], "password": settings["password"]}
    began = time.monotonic_ns()
    count = sum(1 for _ in smbclient.scandir(where, auth_protocol="ntlm", **login))
    return f"listed {count} {time.monotonic_ns() - began}"


def obey(line, wanted):
    global names, overflows, prefix
    verb, _, rest = line.partition(" ")
    if verb == "set":
        key, _, value = rest.partition(" ")
        settings[key] = value
    elif verb == "watch":
        wanted.append(rest)
    elif verb == "arm":
        count = len(wanted)
        while wanted:
            watch(wanted.pop(0))
        say(f"armed {count}")
    elif verb == "list":
        say(entries(rest))
    elif verb == "count":
        with lock:
            say(f"count {len(names)} {overflows} 0")
    elif verb == "clear":
        with lock:
            names, overflows, prefix = {}, 0, rest
        say("cleared")
    elif verb == "tell":
        with lock:
            told = list(names.items())
        for name, at in told:
            say(f"heard {at} {name}")
        say(f"told {len(told)}")
    else:
        say(f"failed no such order: {verb}")


wanted = []
for line in sys.stdin:
    line = line.rstrip("\n")
    if line == "end":
        break
    try:
        obey(line, wanted)
    except Exception as error:
        say("failed " + " ".join(str(error).split())[:300])
sys.stdout.flush()
# Threads that wait for the server would keep it: nothing is left to be told.
os._exit(0)
