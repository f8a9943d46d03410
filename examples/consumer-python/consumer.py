#!/usr/bin/env python3
"""Mirrors a directory on a share from smb2nats events: no listing, no SMB client, no NATS library, no pip.

usage: consumer.py CONNECTION PATH [--recursive] [--server HOST:PORT] [--token TOKEN | --user U --password P]

Prints one JSON line per step: {"snapshot": …}, {"changes": …}, {"state": …}. Ends with SIGINT or SIGTERM and gives
its watch back. Everything used is public: CONNECT, PUB, SUB, PING and headers of the NATS protocol, and the requests
smb2nats.watch.acquire, .renew, .release, .stat and smb2nats.directory.snapshot.
"""

import argparse
import json
import secrets
import signal
import socket
import sys
import time


STOPPING = []  # not empty once a signal said so


class Nats:
    """The NATS client protocol over one plain socket: subscriptions, and requests by an inbox of our own."""

    def __init__(self, host, port, **login):
        self.socket = socket.create_connection((host, port), timeout=10)
        self.buffer = b""
        self.inbox = "_INBOX.py" + secrets.token_hex(8)
        self.replies, self.events, self.serial = {}, [], 0
        self.line(time.time() + 10)  # INFO
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "lang": "python", **login}
        self.send(b"CONNECT %s\r\nPING\r\n" % json.dumps(options).encode())
        self.pongs = 0
        while self.pongs == 0:
            self.step(10)
        self.send(b"SUB %s.* 1\r\n" % self.inbox.encode())

    def send(self, data):
        self.socket.sendall(data)

    def subscribe(self, subject, sid):
        """Returns once the server knows it: nothing published from now on is missed."""
        self.send(b"SUB %s %d\r\nPING\r\n" % (subject.encode(), sid))
        before = self.pongs
        while self.pongs == before:
            self.step(10)

    def ask(self, subject, body, timeout):
        """Each answer to one question, as long as they come within `timeout` of each other."""
        self.serial += 1
        reply = f"{self.inbox}.{self.serial}"
        self.replies = {reply: []}  # what comes for another one was given up
        data = json.dumps(body).encode()
        self.send(b"PUB %s %s %d\r\n%s\r\n" % (subject.encode(), reply.encode(), len(data), data))
        while True:
            end = time.time() + timeout
            while not self.replies[reply]:
                if time.time() > end:
                    raise TimeoutError(subject)
                self.step(1)
            headers, data = self.replies[reply].pop(0)
            if headers.get("status", "").startswith("503"):
                raise LookupError("unreachable", "no worker is there")
            if "Nats-Service-Error" in headers:
                raise LookupError(headers["Nats-Service-Error"], json.loads(data)["error"]["message"])
            yield json.loads(data)

    def request(self, subject, body, timeout=30):
        return next(self.ask(subject, body, timeout))

    def step(self, timeout):
        """Takes one protocol message, or returns False after `timeout` seconds."""
        line = self.line(time.time() + timeout)
        if line is None:
            return False
        verb, _, rest = line.decode().partition(" ")
        if verb == "PING":
            self.send(b"PONG\r\n")
        elif verb == "PONG":
            self.pongs += 1
        elif verb == "-ERR":
            raise ConnectionError(rest)
        elif verb in ("MSG", "HMSG"):
            words = rest.split()
            size = int(words[-1])
            head = int(words[-2]) if verb == "HMSG" else 0
            raw = self.exactly(size + 2)
            message = (parse_headers(raw[:head]), raw[head:size])
            if words[0].startswith(self.inbox):
                self.replies.get(words[0], []).append(message)
            else:
                self.events.append((words[0], *message))
        return True

    def line(self, end):
        while b"\r\n" not in self.buffer:
            if not self.fill(end):
                return None
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def exactly(self, size):
        while len(self.buffer) < size:
            if not self.fill(time.time() + 10):
                raise TimeoutError("the server stopped in the middle of a message")
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def fill(self, end):
        self.socket.settimeout(max(0.01, end - time.time()))
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            return False
        if not data:
            raise ConnectionError("the server hung up")
        self.buffer += data
        return True


def parse_headers(raw):
    lines = raw.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    headers["status"] = lines[0].partition(" ")[2] if lines else ""
    return headers


class Mirror:
    """Entries of a directory, and of those below it: a snapshot, then every change after it. Nothing is ever listed."""

    def __init__(self, nats, target):
        self.nats, self.target = nats, target
        self.depth = len(segments(target["path"]))
        self.root = {}  # name -> what is known of it, and "below": the same of what is in it
        self.epoch = self.newest = None

    def take(self, reason):
        """What has been told so far, from the memory of whoever watches: the file server is not asked for it."""
        while (pages := self.pages()) is None:
            if STOPPING:
                return
            time.sleep(0.5)
        self.root = {}
        for page in pages:
            for directory in page["directories"]:
                self.find(directory["path"]).update((entry["name"], entry) for entry in directory["entries"])
        self.epoch, self.told, self.stored = (pages[-1][key] for key in ("epoch", "told", "stored"))
        show({"snapshot": self.target["path"], "reason": reason, "names": sorted(self.root)})

    def pages(self):
        pages = []
        try:
            for page in self.nats.ask("smb2nats.directory.snapshot", self.target, 5):
                if page["page"] != len(pages):
                    return None  # one is missing
                pages.append(page)
                if page.get("last"):
                    # One from an owner that is none any more does not know what its successor has told.
                    return pages if self.newest is None or newer(page["epoch"], self.newest) != -1 else None
        except TimeoutError:
            return None
        except LookupError as error:
            if error.args[0] in ("unreachable", "limit", "internal"):
                return None
            raise

    def hear(self, kind, body):
        """The table of docs/nats.md: what is old, what goes on from the snapshot, and what asks for a new one."""
        if kind == "smb2nats.state":
            show({"state": body["state"], "path": body["path"]})
            return
        if self.newest is None or newer(body["epoch"], self.newest) != -1:
            self.newest = body["epoch"]
        later = newer(body["epoch"], self.epoch)
        if later is None or (later == 1 and not self.stored):
            self.take(body.get("reason", "takeover"))
        elif later == -1 or (later == 0 and body.get("told", self.told + 1) <= self.told):
            pass
        elif kind == "smb2nats.resync" and body.get("picture") != "kept":
            self.take(body["reason"])
        else:
            if later == 1:
                self.epoch, self.told = body["epoch"], -1
            if kind == "smb2nats.changes":
                self.apply(body)

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
        for name in segments(path)[self.depth :]:
            entries = entries.setdefault(name, {"type": "directory"}).setdefault("below", {})
        return entries


def segments(path):
    return [name for name in path.split("/") if name]


def newer(epoch, other):
    """1: a later one; 0: the same; -1: an earlier one; None: they cannot be compared."""
    (bucket, _, number), (its, _, before) = epoch.rpartition("-"), other.rpartition("-")
    return (int(number) > int(before)) - (int(number) < int(before)) if bucket == its else None


def show(line):
    print(json.dumps(line, ensure_ascii=False), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("connection")
    parser.add_argument("path")
    parser.add_argument("--recursive", action="store_true")
    parser.add_argument("--server", default="127.0.0.1:4222")
    parser.add_argument("--token")
    parser.add_argument("--user")
    parser.add_argument("--password")
    args = parser.parse_args()
    host, _, port = args.server.rpartition(":")
    login = {"auth_token": args.token, "user": args.user, "pass": args.password}
    nats = Nats(host, int(port), **{key: value for key, value in login.items() if value is not None})

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: STOPPING.append(True))

    target = {"connection": args.connection, "path": "/" + args.path.strip("/"), "recursive": args.recursive}
    held = nats.request("smb2nats.watch.acquire", {**target, "ttlMs": 15000, "holder": "consumer.py"})
    # Subscribe first, then wait for `live`, then take the snapshot: what happens meanwhile waits in `nats.events`.
    nats.subscribe(held["subject"], 2)
    if args.recursive:
        nats.subscribe(held["subject"] + ".>", 3)
    while nats.request("smb2nats.watch.stat", target)["state"] in ("unclaimed", "starting"):
        time.sleep(0.1)
    mirror = Mirror(nats, target)
    mirror.take("first")

    renew_at = time.time() + 5
    while not STOPPING:
        nats.step(0.2)
        while nats.events:
            _, headers, data = nats.events.pop(0)
            mirror.hear(headers.get("ce-type"), json.loads(data))
        if time.time() >= renew_at:
            renew_at = time.time() + 5
            try:
                nats.request("smb2nats.watch.renew", {"lease": held["lease"]})
            except LookupError:  # it ran out: we slept for too long, and have missed things
                held = nats.request("smb2nats.watch.acquire", {**target, "ttlMs": 15000, "holder": "consumer.py"})
                mirror.take("lease")
    nats.request("smb2nats.watch.release", {"lease": held["lease"]})
    show({"released": target["path"]})


if __name__ == "__main__":
    try:
        main()
    except (ConnectionError, TimeoutError, LookupError) as error:
        sys.exit(f"consumer.py: {error}")
