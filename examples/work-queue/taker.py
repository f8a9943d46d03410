#!/usr/bin/env python3
"""Takes files that are ready: one program a file, and as many takers as there is work for. Needs nats-py. See README.md.

usage: taker.py FILTER PROGRAM [ARG...]   (NATS_URL, NATS_STREAM, NATS_DURABLE)
"""

import asyncio
import hashlib
import json
import os
import signal
import sys
from datetime import datetime, timezone

import nats
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, KeyValueConfig
from nats.js.errors import KeyNotFoundError, NotFoundError

# Who says nothing for so long has died: his message goes to somebody else.
ACK_WAIT_S = 30
TRIES = 5


async def take(message, taken, command):
    """Deals with the files of one message. Returns whether all of them are done."""
    body = json.loads(message.data)
    for change in body.get("changes", []):
        if change.pop("action") != "ready":
            continue
        path = body["path"].rstrip("/") + "/" + change["name"]
        what = [body["connection"], path, change.get("fileId"), change.get("size"), change.get("modified")]
        key = hashlib.sha256(json.dumps(what).encode()).hexdigest()
        try:
            await taken.get(key)
            continue
        except KeyNotFoundError:
            pass
        share = (message.headers or {}).get("ce-source", "").removeprefix("smb:")
        line = {"type": "ready", "connection": body["connection"], "share": share, "path": path, **change}
        if not await run(command, json.dumps(line) + "\n"):
            print(f"failed, {message.metadata.num_delivered} of {TRIES}: {json.dumps(path)}", file=sys.stderr, flush=True)
            return False
        await taken.put(key, datetime.now(timezone.utc).isoformat().encode())
        print(f"taken: {json.dumps(path)}", flush=True)
    return True


async def run(command, line):
    try:
        child = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
    except OSError:
        return False
    await child.communicate(line.encode())
    return child.returncode == 0


async def keep_alive(message):
    while True:
        await asyncio.sleep(ACK_WAIT_S / 3)
        await message.in_progress()


async def main(filter_subject, *command):
    stream = os.environ.get("NATS_STREAM", "SMB")
    durable = os.environ.get("NATS_DURABLE", "takers")
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    connection = await nats.connect(
        os.environ.get("NATS_URL", "nats://127.0.0.1:4222"), name="taker", max_reconnect_attempts=-1
    )
    js = connection.jetstream()
    try:
        # Found as it is, or made: all takers share it, and with it the work.
        await js.consumer_info(stream, durable)
    except NotFoundError:
        config = ConsumerConfig(
            durable_name=durable,
            filter_subject=filter_subject,
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=DeliverPolicy.NEW,
            ack_wait=ACK_WAIT_S,
            max_deliver=TRIES,
        )
        await js.add_consumer(stream, config)
    # Longer than the stream keeps events: what is told again is known then.
    taken = await js.create_key_value(KeyValueConfig(bucket=f"{durable}_taken", ttl=7 * 24 * 3600))
    subscription = await js.pull_subscribe_bind(durable, stream)
    print(f"taking {filter_subject}", file=sys.stderr, flush=True)
    while not stop.is_set():
        try:
            (message,) = await subscription.fetch(1, timeout=1)
        except nats.errors.TimeoutError:
            continue
        alive = asyncio.create_task(keep_alive(message))
        try:
            if await take(message, taken, command):
                await message.ack_sync()
            else:
                await message.nak(delay=2 ** (message.metadata.num_delivered - 1))
        finally:
            alive.cancel()
    await connection.close()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
