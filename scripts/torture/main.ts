// The torture test: random changes and faults against a real smbd; every consumer's picture must stay true.
import { parseArgs } from "node:util";
import { missingKdc } from "../lab/kdc.ts";
import { detection } from "./detection.ts";
import { FAULTS, type FaultName, faultsFor } from "./faults.ts";
import { races } from "./races.ts";
import { describeRaces, describeReport } from "./report.ts";
import { type TortureMode, type TortureOptions, torture } from "./run.ts";

const USAGE = `usage: torture [--seed N] [--minutes M] [--mode directory|tree|poll] [--recursive] [--encrypted]
       torture --races N          list right after live, N rounds (nightly: 10000)
       torture --detection        how long things go unnoticed, with the defaults
       torture --matrix ...       one kind of share after the other; \`--matrix --help\` for its options
       torture --ready ...        files are told once each, when their writers have closed them; \`--ready --help\` for its options
       torture --fleet ...        workers, gateways and NATS as well; \`--fleet --help\` for its options
examples:
       torture --seed 7 --minutes 2 --mode directory --recursive
       torture --minutes 60 --runs 120          (new seeds and modes every half minute)

  --seed N       same seed, same plan; the timing is the machine's (default: the time; always printed)
  --minutes M    how long in all (default 2)
  --fault-count N  until so many faults were made, instead; with --runs in all of them together
  --runs R       that many runs with seeds N, N+1, ... in modes in turn, unless --mode says one (default 1)
  --mode MODE    handles per directory, one recursive handle, or polling (default directory)
  --recursive    watch the whole tree
  --encrypted    insist on SMB encryption
  --kerberos     log in by Kerberos, with tickets of seconds: sessions expire all the time (needs a KDC:
                 Debian's krb5-kdc, krb5-admin-server and krb5-user)
  --open         consumers join when they please, behind one and the same watch
  --reserved     names with characters SMB reserves, on a share with "mangled names = no"
  --faults A,B   only these of: ${FAULTS.join(", ")};
                 with --kerberos also: kdc away; "none" for none
  --journal FILE everything that happened, when something was lost
  --json         the reports as JSON, one a line

Exits 1 when anything was lost, with what was last done to it and told of it.`;

type Kind = Pick<
  TortureOptions,
  "mode" | "recursive" | "encrypted" | "reservedNames" | "openAudience" | "kerberos"
>;

const KINDS: readonly Kind[] = [
  { mode: "directory", recursive: true, encrypted: false },
  { mode: "directory", recursive: false, encrypted: true, openAudience: true },
  { mode: "tree", recursive: true, encrypted: false },
  { mode: "directory", recursive: true, encrypted: true, openAudience: true },
  { mode: "poll", recursive: true, encrypted: false, openAudience: true },
  { mode: "directory", recursive: true, encrypted: false, reservedNames: true },
  { mode: "tree", recursive: false, encrypted: false, openAudience: true },
  { mode: "directory", recursive: false, encrypted: false },
  { mode: "tree", recursive: true, encrypted: true, openAudience: true },
  { mode: "poll", recursive: false, encrypted: true },
];

/** Taken in turn as well where there is a KDC. */
const KERBEROS_KINDS: readonly Kind[] = [
  { mode: "directory", recursive: true, encrypted: false, kerberos: true },
  { mode: "directory", recursive: false, encrypted: true, openAudience: true, kerberos: true },
  { mode: "tree", recursive: true, encrypted: false, kerberos: true },
];

class UsageError extends Error {}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      minutes: { type: "string", default: "2" },
      "fault-count": { type: "string" },
      runs: { type: "string", default: "1" },
      mode: { type: "string" },
      recursive: { type: "boolean", default: false },
      encrypted: { type: "boolean", default: false },
      kerberos: { type: "boolean", default: false },
      open: { type: "boolean", default: false },
      reserved: { type: "boolean", default: false },
      faults: { type: "string" },
      journal: { type: "string" },
      json: { type: "boolean", default: false },
      races: { type: "string" },
      detection: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const seed = number("seed", values.seed);
  if (values.detection) return showDetection(values.json);
  if (values.races !== undefined) return showRaces(seed, number("races", values.races), values.json);
  const runs = number("runs", values.runs);
  const seconds = (number("minutes", values.minutes) * 60) / runs;
  const faultCount =
    values["fault-count"] === undefined ? undefined : number("fault-count", values["fault-count"]);
  const faults = faultsOf(values.faults, values.kerberos);
  const withoutKdc = missingKdc();
  if (values.kerberos && withoutKdc !== undefined) throw new UsageError(`--kerberos: ${withoutKdc}`);
  if (runs > 1 && withoutKdc !== undefined) console.error(`torture: no sessions that expire: ${withoutKdc}`);
  const kinds = withoutKdc === undefined ? [...KINDS, ...KERBEROS_KINDS] : KINDS;
  const single = {
    recursive: values.recursive,
    encrypted: values.encrypted,
    kerberos: values.kerberos,
    reservedNames: values.reserved,
    openAudience: values.open,
  };
  let lost = 0;
  for (let run = 0; run < runs; run++) {
    const kind = kinds[run % kinds.length] as Kind;
    const report = await torture({
      ...(values.mode === undefined && runs > 1 ? kind : { mode: modeOf(values.mode), ...single }),
      seed: seed + run,
      seconds,
      ...(faultCount === undefined ? {} : { faultCount: Math.ceil(faultCount / runs) }),
      ...(faults === undefined ? {} : { faults }),
      ...(values.journal === undefined ? {} : { journalFile: values.journal }),
      onRound: (text) => console.error(`torture: ${text}`),
    });
    console.log(values.json ? JSON.stringify(report) : `${describeReport(report)}\n`);
    lost += report.lost.length;
  }
  return lost === 0 ? 0 : 1;
}

async function showDetection(json: boolean): Promise<number> {
  const found = await detection((text) => console.error(`torture: ${text}`));
  if (json) console.log(JSON.stringify(found));
  else
    for (const { what, seconds, bound } of found)
      console.log(`${seconds.toFixed(2).padStart(7)} s  ${what} (${bound})`);
  return 0;
}

async function showRaces(seed: number, rounds: number, json: boolean): Promise<number> {
  const report = await races({
    seed,
    rounds,
    onProgress: (done) => console.error(`torture: ${done} rounds`),
  });
  console.log(json ? JSON.stringify(report) : describeRaces(report));
  return report.lost.length === 0 ? 0 : 1;
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0)
    throw new UsageError(`--${name} is not a number above 0: ${text}`);
  return value;
}

function modeOf(text: string | undefined): TortureMode {
  if (text === undefined || text === "directory") return "directory";
  if (text === "tree" || text === "poll") return text;
  throw new UsageError(`no such mode: ${text}`);
}

function faultsOf(text: string | undefined, kerberos: boolean): FaultName[] | undefined {
  if (text === undefined) return undefined;
  if (text === "none") return [];
  return text.split(",").map((name) => {
    const known = faultsFor({ kerberos }).find((fault) => fault === name.trim());
    if (known === undefined) throw new UsageError(`no such fault: ${name}`);
    return known;
  });
}

const FLEET = "--fleet";
const MATRIX = "--matrix";
const READY = "--ready";

try {
  if (process.argv.includes(FLEET)) {
    process.argv = process.argv.filter((argument) => argument !== FLEET);
    await import("./fleet.ts");
  } else if (process.argv.includes(MATRIX)) {
    const matrix = await import("./matrix/main.ts");
    process.exitCode = await matrix.main(process.argv.slice(2).filter((argument) => argument !== MATRIX));
  } else if (process.argv.includes(READY)) {
    const ready = await import("./ready/main.ts");
    process.exitCode = await ready.main(process.argv.slice(2).filter((argument) => argument !== READY));
  } else process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const usage =
    error instanceof UsageError || String((error as { code?: unknown }).code).startsWith("ERR_PARSE_ARGS");
  if (!usage) throw error;
  console.error(`${(error as Error).message}\n\n${USAGE}`);
  process.exitCode = 2;
}
