#!/usr/bin/env bash
# Each attempt of the JavaScript client at a NATS server that accepts and says nothing leaves a socket open.
#
# @nats-io/transport-node 3.4.0, Node's own TCP server. `connect({ timeout })` to a server that takes the connection and
# never sends its INFO, as one that hangs, or a port forwarder without anything behind it: the promise is rejected in
# time, and the socket stays, established on both sides. Who tries again from time to time, as services do, adds
# one with each attempt, until the other side ends them or a limit of open files is reached.
#
# Needs: node, npm. Installs into a temporary folder; everything is on loopback.
set -euo pipefail
dir=$(mktemp -d); cd "$dir"
trap 'rm -rf "$dir"' EXIT
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @nats-io/transport-node@3.4.0 >/dev/null
cat >run.mjs <<'JS'
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";

let open = 0;
const mute = createServer((socket) => {
  open++;
  socket.resume().on("close", () => open--).on("error", () => undefined);
}).listen(0, "127.0.0.1");
await once(mute, "listening");
for (let attempt = 1; attempt <= 5; attempt++) {
  const outcome = await connect({ servers: `127.0.0.1:${mute.address().port}`, timeout: 300, reconnect: false }).then(
    () => "connected",
    (error) => error.name,
  );
  await sleep(1_000);
  console.log(`attempt ${attempt}: ${outcome}, ${open} open a second later`);
}
await sleep(5_000);
console.log(`${open} open after five more seconds`);
process.exit(0);
JS
timeout 60 node run.mjs | tee out.txt
expected='attempt 1: TimeoutError, 1 open a second later
attempt 2: TimeoutError, 2 open a second later
attempt 3: TimeoutError, 3 open a second later
attempt 4: TimeoutError, 4 open a second later
attempt 5: TimeoutError, 5 open a second later
5 open after five more seconds'
[ "$(cat out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
