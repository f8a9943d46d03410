// torture --matrix: every kind of share in turn; consumers must end with what the share lists.
import { parseArgs } from "node:util";
import { type SambaRelease, sambaPrograms } from "../../lab/samba-release.ts";
import { CONFIGURATIONS, type Configuration } from "./configurations.ts";
import { describeMatrix } from "./report.ts";
import { tortureShare } from "./run.ts";

const USAGE = `usage: torture --matrix [--minutes M] [--only A,B] [--seed N] [--samba RELEASE] [--json]
examples:
       torture --matrix --minutes 60
       torture --matrix --minutes 1 --only "veto files" --samba trixie --seed 7

  --minutes M    how long in all (default 6)
  --only A,B     of: ${CONFIGURATIONS.map(({ name }) => name).join(", ")}
  --seed N       same seed, same plan (default: the time; always printed)
  --samba R      installed, trixie or sid (default: SMB2NATS_LAB_SAMBA, else installed)
  --journal FILE everything that happened, when something was lost
  --json         the reports as JSON, one a line

Exits 1 when anything was lost, with what was last done to it and told of it.`;

export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string", default: "6" },
      only: { type: "string" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      samba: { type: "string" },
      journal: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const wanted = values.only?.split(",").map((name) => name.trim());
  const unknown = wanted?.find((name) => !CONFIGURATIONS.some((one) => one.name === name));
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  if (unknown !== undefined || !(minutes > 0) || !Number.isInteger(seed)) {
    console.error(`${unknown === undefined ? "a number is wrong" : `no such share: ${unknown}`}\n\n${USAGE}`);
    return 2;
  }
  const release = values.samba as SambaRelease | undefined;
  if (release !== undefined) sambaPrograms(release);
  const chosen: readonly Configuration[] = CONFIGURATIONS.filter(
    ({ name }) => wanted?.includes(name) ?? true,
  );
  let lost = 0;
  for (const configuration of chosen) {
    const report = await tortureShare({
      configuration,
      seed,
      seconds: (minutes * 60) / chosen.length,
      ...(release === undefined ? {} : { release }),
      ...(values.journal === undefined ? {} : { journalFile: values.journal }),
      onRound: (text) => console.error(`torture: ${text}`),
    });
    console.log(values.json ? JSON.stringify(report) : describeMatrix(report));
    if (report.lost.length > 0) lost++;
  }
  if (!values.json) console.log(`${chosen.length - lost} of ${chosen.length} kinds of share, 0 lost`);
  return lost === 0 ? 0 : 1;
}
