// The torture test of the fleet: real workers, gateways, a share and a broker; whatever dies, pictures must stay true.
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { CoverPolicy } from "../../src/watch/interest.ts";
import { FLEET_FAULTS, type FleetFault } from "./fleet-arena.ts";
import { tortureFleet } from "./fleet-run.ts";

const USAGE = `usage: fleet [--seed N] [--minutes M] [--nodes 1|3] [--workers N] [--gateways N] [--faults A,B]
examples:
       npm run torture -- --fleet --seed 7 --minutes 2
       npm run torture -- --fleet --minutes 60 --runs 20     (new seeds every three minutes)

  --seed N       same seed, same plan; the timing is the machine's (default: the time; always printed)
  --minutes M    how long in all, at least (default 2)
  --fault-count N  until so many faults were made, instead; with --runs in all of them together
  --runs R       that many fleets with seeds N, N+1, ... (default 1)
  --nodes N      of the JetStream cluster (default 3; needs nats-server 2.10.20 or newer, taken from Debian where
                 the installed one is older; else one node)
  --suite NAME   of Debian to take it from: trixie (2.10) or sid (the newest; default trixie)
  --cover COVER  auto, tree or directory (default auto, where a round takes a minute or two: that is how late what is done on
                 the server itself is found)
  --rooms N      directories watched one by one, beside a tree (default 48)
  --outage S     how long NATS is away as a whole, s (default 30)
  --faults A,B   only these of: ${FLEET_FAULTS.join(", ")}; "none" for none
  --no-tree      mirror no tree, only the rooms
  --keep DIR     where to leave the journal and the processes' logs, when something was wrong (default: a folder
                 smb2nats-fleet-torture among the temporary ones; timing does not come twice)
  --json         the reports as JSON, one a line

Needs the build in dist/ (npm run build). Exits 1 when anything was wrong.`;

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      minutes: { type: "string", default: "2" },
      "fault-count": { type: "string" },
      runs: { type: "string", default: "1" },
      nodes: { type: "string", default: "3" },
      workers: { type: "string", default: "3" },
      gateways: { type: "string", default: "2" },
      outage: { type: "string", default: "30" },
      cover: { type: "string", default: "auto" },
      rooms: { type: "string", default: "48" },
      "no-tree": { type: "boolean", default: false },
      suite: { type: "string", default: "trixie" },
      faults: { type: "string" },
      keep: { type: "string", default: join(tmpdir(), "smb2nats-fleet-torture") },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const runs = Number(values.runs);
  let wrong = 0;
  for (let run = 0; run < runs; run++) {
    const seed = Number(values.seed) + run;
    console.error(`fleet torture: seed ${seed}`);
    const report = await tortureFleet({
      seed,
      seconds: (Number(values.minutes) * 60) / runs,
      ...(values["fault-count"] === undefined
        ? {}
        : { faultCount: Math.ceil(Number(values["fault-count"]) / runs) }),
      nodes: Number(values.nodes),
      workers: Number(values.workers),
      gateways: Number(values.gateways),
      outageMs: Number(values.outage) * 1_000,
      rooms: Number(values.rooms),
      cover: coverOf(values.cover),
      tree: !values["no-tree"],
      suite: values.suite === "sid" ? "sid" : "trixie",
      ...(values.faults === undefined ? {} : { faults: faultsOf(values.faults) }),
      keepIn: join(values.keep, String(seed)),
      onRound: (text) => console.error(`fleet torture: ${text}`),
    });
    wrong += report.wrong.length;
    if (report.wrong.length + report.late.length > 0)
      console.error(
        `fleet torture: seed ${seed}: journal and logs are in ${join(values.keep, String(seed))}`,
      );
    console.log(values.json ? JSON.stringify(report) : JSON.stringify(report, null, 2));
  }
  return wrong === 0 ? 0 : 1;
}

function coverOf(text: string): CoverPolicy {
  if (text === "auto" || text === "tree" || text === "directory") return text;
  throw new Error(`no such cover: ${text}`);
}

function faultsOf(text: string): FleetFault[] {
  if (text === "none") return [];
  return text.split(",").map((name) => {
    const known = FLEET_FAULTS.find((fault) => fault === name.trim());
    if (known === undefined) throw new Error(`no such fault: ${name}`);
    return known;
  });
}

process.exitCode = await main(process.argv.slice(2));
