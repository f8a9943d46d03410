/**
 * node scripts/run.mjs scripts/wedged-nats.ts: a real nats-server that is stopped and woken again and again, as on a host that pages: it lets
 * clients in and answers them nothing. What a worker says of it: the first loss and the first return, one line a minute, and one when it is over,
 * whatever the number of losses. Takes two and a half minutes; exit status 1 where it says more, or less.
 */
import { setTimeout as delay } from "node:timers/promises";
import { startStack } from "./lab/stack.ts";

/** Longer than three unanswered pings, which end a connection; then long enough to be let in. */
const STOPPED_MS = 12_000;
const AWAKE_MS = 1_500;
const ROUNDS = 6;
/** A connection that lasts so long is told. */
const PROVEN_MS = 32_000;

const stack = await startStack({ gateways: 0, config: { log: { level: "info", format: "json" } } });
let failed = true;
try {
  const [worker] = stack.workers;
  const pid = stack.nats.pid();
  if (worker === undefined || pid === undefined) throw new Error("nothing runs");
  const begun = Date.now();
  try {
    for (let round = 0; round < ROUNDS; round++) {
      process.kill(pid, "SIGSTOP");
      await delay(STOPPED_MS);
      process.kill(pid, "SIGCONT");
      await delay(AWAKE_MS);
    }
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await delay(PROVEN_MS + STOPPED_MS);
  const lines = worker.process
    .log()
    .split("\n")
    .filter((line) => /"event":"nats\.(connected|disconnected|error)/.test(line))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ time }) => Date.parse(String(time)) >= begun);
  for (const { time, event, message, level: _, ...more } of lines) {
    console.log(`${String(time)} ${String(event)} ${String(message)} ${JSON.stringify(more)}`);
  }
  const metrics = await (await fetch(`${worker.ops}/metrics`)).text();
  const reconnects = Number(/^smb2nats_nats_reconnects_total(?:\{[^}]*\})? (\S+)$/m.exec(metrics)?.[1]);
  const count = (event: string): number => lines.filter((line) => line["event"] === event).length;
  const seconds = (Date.now() - begun) / 1_000;
  console.log(
    `${ROUNDS} stops in ${seconds.toFixed(0)} s, ${reconnects} reconnects: ${count("nats.disconnected")} lines of a loss, ` +
      `${count("nats.error")} of errors, ${count("nats.connected")} of a return`,
  );
  const perMinute = Math.ceil(seconds / 60) + 1;
  failed =
    reconnects < 3 ||
    count("nats.connected") < 1 ||
    count("nats.connected") > 2 ||
    count("nats.disconnected") < 1 ||
    count("nats.disconnected") > perMinute ||
    count("nats.error") > 2 * perMinute;
} finally {
  await stack.close();
}
process.exitCode = failed ? 1 : 0;
