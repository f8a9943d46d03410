// torture --matrix: every kind of share in turn; consumers must end with what the share lists.
import { parseArgs } from "node:util";
import { forEachAtOnce } from "../../../src/watch/pacing.ts";
import { type SambaRelease, sambaPrograms } from "../../lab/samba-release.ts";
import { CONFIGURATIONS, type Configuration } from "./configurations.ts";
import { describeMatrix } from "./report.ts";
import { tortureShare } from "./run.ts";

const USAGE = `usage: torture --matrix [--minutes M] [--only A,B] [--seed N] [--samba RELEASE] [--cover COVER] [--defaults] [--json]
examples:
       torture --matrix --minutes 60
       torture --matrix --minutes 20 --defaults --samba sid
       torture --matrix --minutes 1 --only "veto files" --samba trixie --seed 7

  --minutes M    how long in all (default 6)
  --only A,B     of: ${CONFIGURATIONS.map(({ name }) => name).join(", ")}
  --seed N       same seed, same plan (default: the time; always printed)
  --samba R      installed, trixie or sid (default: SMB2NATS_LAB_SAMBA, else installed)
  --cover C      auto, tree or directory (default auto)
  --defaults     with the very defaults of the watch, judged by the bounds in docs/watching.md (2 minutes for names, 10 for
                 what files hold): all kinds at the same time, each for M minutes. Without it the watch looks every 2 s
                 and compares every 6 s, and the bounds are as much shorter
  --journal FILE everything that happened, when something was lost (of several kinds: FILE.the-kind)
  --json         the reports as JSON, one a line

Exits 1 when anything was lost, with what was last done to it and told of it.`;

const COVERS = ["auto", "tree", "directory"] as const;

export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string", default: "6" },
      only: { type: "string" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      samba: { type: "string" },
      cover: { type: "string", default: "auto" },
      defaults: { type: "boolean", default: false },
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
  const cover = COVERS.find((one) => one === values.cover);
  if (cover === undefined) {
    console.error(`no such cover: ${values.cover}\n\n${USAGE}`);
    return 2;
  }
  const release = values.samba as SambaRelease | undefined;
  if (release !== undefined) sambaPrograms(release);
  const chosen: readonly Configuration[] = CONFIGURATIONS.filter(
    ({ name }) => wanted?.includes(name) ?? true,
  );
  // The unprivileged kinds need it, and it is the whole process's.
  process.umask(0);
  let lost = 0;
  // With its defaults the engine mostly waits: so all kinds wait at the same time.
  const { defaults } = values;
  await forEachAtOnce(chosen, defaults ? chosen.length : 1, async (configuration) => {
    const report = await tortureShare({
      configuration,
      seed,
      seconds: (minutes * 60) / (defaults ? 1 : chosen.length),
      cover,
      defaults,
      ...(release === undefined ? {} : { release }),
      ...(values.journal === undefined
        ? {}
        : {
            journalFile: `${values.journal}${chosen.length > 1 ? `.${configuration.name.replaceAll(" ", "-")}` : ""}`,
          }),
      onRound: (text) => console.error(`torture: ${text}`),
    });
    console.log(values.json ? JSON.stringify(report) : describeMatrix(report));
    if (report.lost.length > 0) lost++;
  });
  if (!values.json) console.log(`${chosen.length - lost} of ${chosen.length} kinds of share, 0 lost`);
  return lost === 0 ? 0 : 1;
}
