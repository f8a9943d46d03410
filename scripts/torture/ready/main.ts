// torture --ready: files written by other clients, in all the ways they are; each must be told once, and not before it is closed.
import { parseArgs } from "node:util";
import { READY_FAULTS, type ReadyFault } from "./faults.ts";
import { type ReadyTortureReport, tortureReady } from "./run.ts";

const USAGE = `usage: torture --ready [--files N] [--minutes M] [--seed N] [--cover COVER] [--faults A,B] [--json]
examples:
       torture --ready
       torture --ready --files 500 --seed 7 --faults none

  --files N      how many files (default 2000)
  --minutes M    no file is begun later (default 20)
  --seed N       same seed, same plan; the timing is the machine's (default: the time; always printed)
  --cover C      directory, tree or auto (default directory); without a handle per directory the watch compares every 6 s
  --faults A,B   only these of: ${READY_FAULTS.join(", ")}; "none" for none
  --json         the report as JSON

Writers are smbclient, @marsaud/smb2, and smbprotocol where SMBPROTOCOL_PYTHON names a Python that has it.
Exits 1 when a file was told twice, too early, too late, wrongly or never, or a writer was refused.`;

export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      files: { type: "string", default: "2000" },
      minutes: { type: "string", default: "20" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      cover: { type: "string", default: "directory" },
      faults: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const numbers = [values.files, values.minutes, values.seed].map(Number);
  const [files = 0, minutes = 0, seed = 0] = numbers;
  const faults = faultsOf(values.faults);
  const cover = (["directory", "tree", "auto"] as const).find((each) => each === values.cover);
  if (
    faults === undefined ||
    cover === undefined ||
    numbers.some((value) => !Number.isFinite(value) || value <= 0)
  ) {
    console.error(USAGE);
    return 2;
  }
  const report = await tortureReady({
    ...{ seed, files, seconds: minutes * 60, cover, faults },
    onProgress: (text) => console.error(`torture: ${text}`),
  });
  console.log(values.json ? JSON.stringify(report) : describe(report));
  return report.wrong.length === 0 ? 0 : 1;
}

function faultsOf(text: string | undefined): readonly ReadyFault[] | undefined {
  if (text === undefined) return READY_FAULTS;
  if (text === "none") return [];
  const names = text.split(",").map((name) => name.trim());
  const known = READY_FAULTS.filter((fault) => names.includes(fault));
  return known.length === names.length ? known : undefined;
}

function describe(report: ReadyTortureReport): string {
  const { median, p90, longest } = report.delayMs;
  return [
    `seed        ${report.seed}, cover ${report.cover}`,
    `files       ${report.files} in ${report.seconds.toFixed(0)} s: ${counts(report.patterns)}`,
    `writers     ${counts(report.writers)}${report.absent.map((why) => `; not here: ${why}`).join("")}`,
    `failed      ${report.failed.length === 0 ? 0 : `\n${report.failed.join("\n")}`}`,
    `faults      ${counts(report.faults) || "none"}`,
    `told        ${report.told}, ${median} / ${p90} / ${longest} ms after the last closing (median / p90 / longest; quietMs ${report.quietMs})`,
    `slowest     ${report.slowest}`,
    `probes      ${counts(report.probes)}`,
    `wrong       ${report.wrong.length === 0 ? 0 : `\n${report.wrong.join("\n")}`}`,
  ].join("\n");
}

function counts(of: object): string {
  return Object.entries(of)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(", ");
}
