#!/usr/bin/env python3
"""Keeps a picture of a directory on a share from smb2nats events: no SMB client, no NATS library, no pip.

usage: consumer.py CONNECTION PATH [--recursive] [--server HOST:PORT] [--token TOKEN | --user U --password P]

Prints one JSON line per step: {"live": …}, {"changes": …}, {"listed": …}. Ends with SIGINT or SIGTERM and gives its
watch back. Everything used is public: CONNECT, PUB, SUB, PING and headers of the NATS protocol, and the requests
smb2nats.watch.acquire, .renew, .release, .stat and smb2nats.directory.list.
"""

import argparse
import json
import secrets
import signal
import socket
import sys
import time


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

    def request(self, subject, body, timeout=30):
        self.serial += 1
        reply = f"{self.inbox}.{self.serial}"
        data = json.dumps(body).encode()
        self.send(b"PUB %s %s %d\r\n%s\r\n" % (subject.encode(), reply.encode(), len(data), data))
        end = time.time() + timeout
        while reply not in self.replies:
            if time.time() > end:
                raise TimeoutError(subject)
            self.step(1)
        headers, data = self.replies.pop(reply)
        if headers.get("status", "").startswith("503"):
            raise ConnectionError("no worker is there")
        if "Nats-Service-Error" in headers:
            raise LookupError(headers["Nats-Service-Error"], json.loads(data)["error"]["message"])
        return json.loads(data)

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
                self.replies[words[0]] = message
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
    """Names below a directory, kept true by events; directories are listed anew only when a `resync` says so."""

    def __init__(self, nats, connection, path, recursive):
        self.nats, self.connection, self.path, self.recursive = nats, connection, path, recursive
        self.names = {}  # directory -> set of names

    def list(self, path, deep):
        names, directories, after = set(), [], None
        while True:
            request = {"connection": self.connection, "path": path, **({"after": after} if after else {})}
            try:
                page = self.nats.request("smb2nats.directory.list", request)
            except LookupError as error:
                if error.args[0] not in ("not_found", "not_a_directory"):
                    raise
                self.names.pop(path, None)
                return
            for entry in page["entries"]:
                names.add(entry["name"])
                if entry["type"] == "directory":
                    directories.append(entry["name"])
            after = page.get("next")
            if after is None:
                break
        self.names[path] = names
        show({"listed": path, "names": sorted(names)})
        if deep:
            for name in directories:
                self.list(path.rstrip("/") + "/" + name, True)

    def apply(self, kind, body):
        path = body["path"]
        if kind == "smb2nats.resync":
            inside = path == self.path or (self.recursive and path.startswith(self.path.rstrip("/") + "/"))
            # A scope above ours holds ours too.
            self.list(path if inside else self.path, self.recursive and (body["scope"] == "subtree" or not inside))
        elif kind == "smb2nats.changes":
            names = self.names.setdefault(path, set())
            for change in body["changes"]:
                if change["action"] == "removed":
                    names.discard(change["name"])
                elif change["action"] == "renamed":
                    names.discard(change["oldName"])
                    names.add(change["name"])
                else:
                    names.add(change["name"])
            show({"changes": path, "via": body["via"], "what": body["changes"], "names": sorted(names)})


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

    stopping = []
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stopping.append(True))

    target = {"connection": args.connection, "path": args.path, "recursive": args.recursive}
    held = nats.request("smb2nats.watch.acquire", {**target, "ttlMs": 15000, "holder": "consumer.py"})
    # Subscribe first, then wait for `live`, then list: what happens meanwhile waits in `nats.events`.
    nats.subscribe(held["subject"], 2)
    if args.recursive:
        nats.subscribe(held["subject"] + ".>", 3)
    while nats.request("smb2nats.watch.stat", target)["state"] not in ("live", "degraded"):
        time.sleep(0.1)
    mirror = Mirror(nats, args.connection, "/" + args.path.strip("/"), args.recursive)
    show({"live": mirror.path})
    mirror.list(mirror.path, args.recursive)

    renew_at = time.time() + 5
    while not stopping:
        nats.step(0.2)
        while nats.events:
            _, headers, data = nats.events.pop(0)
            mirror.apply(headers.get("ce-type"), json.loads(data))
        if time.time() >= renew_at:
            renew_at = time.time() + 5
            try:
                nats.request("smb2nats.watch.renew", {"lease": held["lease"]})
            except LookupError:  # it ran out: we slept for too long, and have missed things
                held = nats.request("smb2nats.watch.acquire", {**target, "ttlMs": 15000, "holder": "consumer.py"})
                mirror.list(mirror.path, args.recursive)
    nats.request("smb2nats.watch.release", {"lease": held["lease"]})
    show({"released": mirror.path})


if __name__ == "__main__":
    try:
        main()
    except (ConnectionError, TimeoutError, LookupError) as error:
        sys.exit(f"consumer.py: {error}")
