// Preloaded into workers and gateways by `npm run bench -- --only latency --trace`: notes when a change passes each stage,
// by the clock that all processes of a machine share, and leaves it in a file at the end.
import diagnostics from "node:diagnostics_channel";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const dir = process.env.BENCH_TRACE_DIR;
const [role = ""] = process.argv.slice(2);
if (dir !== undefined && (role === "worker" || role === "gateway")) {
  const at = [];
  diagnostics.subscribe("smb2nats:stage", (stage) => at.push([stage, process.hrtime.bigint()]));
  process.on("exit", () => {
    const marks = at.map(([stage, time]) => [stage, Number(time) / 1e6]);
    writeFileSync(join(dir, `${role}-${process.pid}.json`), JSON.stringify(marks));
  });
}
