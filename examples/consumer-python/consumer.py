#!/usr/bin/env python3
"""Mirrors a directory on a share from smb2nats events: no listing, no SMB client, no NATS library, no pip.

usage: consumer.py CONNECTION PATH [--recursive] [--server HOST:PORT] [--token TOKEN | --user U --password P]

Prints one JSON line per step: {"snapshot": …}, {"changes": …}, {"state": …}. Ends with SIGINT or SIGTERM and gives
its watch back. Everything used is public: CONNECT, PUB, SUB, PING and headers of the NATS protocol, and the requests
smb2nats.watch.acquire, .renew, .release, .stat and smb2nats.directory.snapshot.
"""

import argparse
import contextlib
import json
import queue
import secrets
import signal
import socket
import sys
import threading
import time
from pathlib import PurePosixPath


class Nats:
    """The NATS client protocol over one plain socket: a thread reads, and puts each message into its subscription's queue."""

    def __init__(self, host, port, **login):
        self.socket = socket.create_connection((host, port))
        self.lock, self.queues, self.serial, self.ended = threading.Lock(), {}, 0, None
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "lang": "python"}
        self.send(b"CONNECT %s\r\n" % json.dumps({**options, **login}).encode())
        threading.Thread(target=self.read, daemon=True).start()

    def send(self, data):
        with self.lock, contextlib.suppress(OSError):  # who reads says why the line has ended
            self.socket.sendall(data)

    def subscribe(self, subject, messages):
        self.serial += 1
        self.queues[self.serial] = messages
        if self.ended:
            raise self.ended
        self.send(b"SUB %s %d\r\n" % (subject.encode(), self.serial))
        return self.serial

    def ask(self, subject, body, timeout):
        """The answer to one question, in one message or more, as long as they come within `timeout` of each other."""
        inbox, answers, data = "_INBOX.py" + secrets.token_hex(8), queue.Queue(), json.dumps(body).encode()
        sid = self.subscribe(inbox, answers)
        try:
            self.send(b"PUB %s %s %d\r\n%s\r\n" % (subject.encode(), inbox.encode(), len(data), data))
            while True:
                headers, data = take(answers, timeout) or ({}, b"")
                if not data:  # the server says so at once where nobody listens
                    raise LookupError("unreachable", "no worker answers")
                if "Nats-Service-Error" in headers:
                    raise LookupError(headers["Nats-Service-Error"], json.loads(data)["error"]["message"])
                yield (answer := json.loads(data))
                if answer.get("last", "page" not in answer):
                    return
        finally:
            self.queues.pop(sid)
            self.send(b"UNSUB %d\r\n" % sid)

    def request(self, subject, body):
        return next(self.ask(subject, body, 30))

    def read(self):
        try:
            stream = self.socket.makefile("rb")
            for line in stream:
                verb, *words = line.decode().split()
                if verb == "PING":
                    self.send(b"PONG\r\n")
                elif verb == "-ERR":
                    raise ConnectionError(" ".join(words))
                elif verb in ("MSG", "HMSG"):
                    head, size = int(words[-2]) if verb == "HMSG" else 0, int(words[-1])
                    raw = stream.read(size + 2)
                    headers = dict(each.split(": ", 1) for each in raw[:head].decode().split("\r\n") if ": " in each)
                    if int(words[1]) in self.queues:  # else what nobody waits for any more
                        self.queues[int(words[1])].put((headers, raw[head:size]))
            raise ConnectionError("the server hung up")
        except OSError as error:
            self.ended = ConnectionError(error)
            for each in list(self.queues.values()):
                each.put(self.ended)


def take(messages, timeout):
    """The next of them; nothing where none comes within `timeout` seconds."""
    try:
        message = messages.get(timeout=timeout)
    except queue.Empty:
        return None
    if isinstance(message, Exception):
        raise message
    return message


class Mirror:
    """Entries of a directory, and of those below it: a snapshot, then every change after it. Nothing is ever listed."""

    def __init__(self, nats, target):
        self.nats, self.target = nats, target
        self.depth = len(PurePosixPath(target["path"]).parts)
        self.root = {}  # name -> what is known of it, and "below": the same of what is in it
        self.epoch = self.newest = None

    def take(self, reason):
        """What has been told so far, from the memory of whoever watches: the file server is not asked for it."""
        while True:
            try:
                pages = list(self.nats.ask("smb2nats.directory.snapshot", self.target, 5))
                whole = [page["page"] for page in pages] == list(range(len(pages)))
                # One from an owner that is none any more does not know what its successor has told.
                if whole and newer(pages[0]["epoch"], self.newest) != -1:
                    break
            except LookupError as error:
                if error.args[0] not in ("unreachable", "limit", "internal"):
                    raise
            time.sleep(0.5)
        self.root = {}
        for directory in (each for page in pages for each in page["directories"]):
            self.find(directory["path"]).update((entry["name"], entry) for entry in directory["entries"])
        self.epoch, self.told, self.stored = (pages[-1][key] for key in ("epoch", "told", "stored"))
        show({"snapshot": self.target["path"], "reason": reason, "names": sorted(self.root)})

    def hear(self, kind, body):
        """The table of docs/nats.md: what is old, what goes on from the snapshot, and what asks for a new one."""
        if kind == "smb2nats.state":
            return show({"state": body["state"], "path": body["path"]})
        if newer(body["epoch"], self.newest) != -1:
            self.newest = body["epoch"]
        later = newer(body["epoch"], self.epoch)
        if later == -1 or (later == 0 and body.get("told", self.told + 1) <= self.told):
            return None  # the snapshot knows of it
        lost = kind == "smb2nats.resync" and body.get("picture") != "kept"
        if later is None or lost or (later == 1 and not self.stored):
            return self.take(body.get("reason", "takeover"))
        if later == 1:
            self.epoch, self.told = body["epoch"], -1
        if kind == "smb2nats.changes":
            self.apply(body)
        return None

    def apply(self, body):
        entries = self.find(body["path"])
        for change in body["changes"]:
            action, name, old = change["action"], change["name"], change.get("oldName")
            before = entries.get(old or name, {})
            if action in ("removed", "renamed"):
                entries.pop(old or name, None)
            if action in ("added", "renamed") or (action == "modified" and before and "stream" not in change):
                # Renamed, it is what it was, and what lies below moves along, unless it is said that it does not.
                kept = [] if change.get("emptied") else ["below"]
                kept += ["type", "size", "modified"] if action == "renamed" and old != name else ["type"]
                known = {key: before[key] for key in kept if key in before}
                entries[name] = {**known, **{key: change[key] for key in ("type", "size", "modified") if key in change}}
        show({"changes": body["path"], "via": body["via"], "what": body["changes"], "names": sorted(entries)})

    def find(self, path):
        entries = self.root
        for name in PurePosixPath(path).parts[self.depth :]:
            entries = entries.setdefault(name, {"type": "directory"}).setdefault("below", {})
        return entries


def newer(epoch, other):
    """1: a later one; 0: the same, or the first; -1: an earlier one; None: they cannot be compared."""
    (bucket, _, number), (its, _, before) = epoch.rpartition("-"), (other or epoch).rpartition("-")
    return (int(number) > int(before)) - (int(number) < int(before)) if bucket == its else None


def show(line):
    print(json.dumps(line, ensure_ascii=False), flush=True)


def main():
    parser = argparse.ArgumentParser()
    for name in ("connection", "path", "--token", "--user", "--password"):
        parser.add_argument(name)
    parser.add_argument("--recursive", action="store_true")
    parser.add_argument("--server", default="127.0.0.1:4222")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    host, _, port = args.server.rpartition(":")
    nats = Nats(host, int(port), auth_token=args.token, user=args.user, **{"pass": args.password})
    target = {"connection": args.connection, "path": "/" + args.path.strip("/"), "recursive": args.recursive}
    wish = {**target, "ttlMs": 15000, "holder": "consumer.py"}
    held = nats.request("smb2nats.watch.acquire", wish)
    try:
        # Subscribe first, then wait for `live`, then take the snapshot: what happens meanwhile waits in `events`. The server
        # takes what is sent in order, so with the first answer it has subscribed us.
        events = queue.Queue()
        for subject in (held["subject"], held["subject"] + ".>")[: 2 if args.recursive else 1]:
            nats.subscribe(subject, events)
        while nats.request("smb2nats.watch.stat", target)["state"] in ("unclaimed", "starting"):
            time.sleep(0.1)
        mirror = Mirror(nats, target)
        mirror.take("first")
        renew_at = time.time() + 5
        while True:
            if message := take(events, 0.2):
                mirror.hear(message[0].get("ce-type"), json.loads(message[1]))
            if time.time() < renew_at:
                continue
            renew_at = time.time() + 5
            try:
                nats.request("smb2nats.watch.renew", {"lease": held["lease"]})
            except LookupError:  # it ran out: we slept for too long, and have missed things
                held = nats.request("smb2nats.watch.acquire", wish)
                mirror.take("lease")
    except KeyboardInterrupt:
        nats.request("smb2nats.watch.release", {"lease": held["lease"]})
        show({"released": target["path"]})


if __name__ == "__main__":
    try:
        main()
    except (OSError, LookupError, KeyboardInterrupt) as error:
        sys.exit(f"consumer.py: {error}")
