"""Writes files through smbprotocol. First line of standard input: where; then jobs, {id, path, pieces, append}, each
answered by a line, many at a time over one session."""
import json
import sys
import threading
import time

import smbclient

where = json.loads(sys.stdin.readline())
port = where["port"]
smbclient.register_session(
    "127.0.0.1", username=where["username"], password=where["password"], port=port, auth_protocol="ntlm"
)
lock = threading.Lock()


def now():
    return int(time.time() * 1000)


def write(job):
    path = "\\\\127.0.0.1\\" + where["share"] + "\\" + job["path"].replace("/", "\\")
    file = smbclient.open_file(path, mode="ab" if job["append"] else "wb", buffering=0, share_access="rwd", port=port)
    opened = now()
    try:
        for piece in job["pieces"]:
            if piece["bytes"] > 0:
                file.write(b"\1" * piece["bytes"])
            time.sleep(piece["pauseMs"] / 1000)
        size = file.tell()
    finally:
        closing = now()
        file.close()
    return {"openedAt": opened, "closingAt": closing, "closedAt": now(), "size": size}


def take(job):
    try:
        answer = write(job)
    except Exception as error:
        answer = {"error": str(error)[:500]}
    with lock:
        print(json.dumps({"id": job["id"], **answer}), flush=True)


threads = []
for line in sys.stdin:
    threads = [each for each in threads if each.is_alive()]
    thread = threading.Thread(target=take, args=(json.loads(line),), daemon=True)
    thread.start()
    threads.append(thread)
for thread in threads:
    thread.join(10)
