import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { codeBlocks } from "../../support/oracles/code-blocks.ts";
import { CommandLine } from "../../support/processes/cli.ts";
import { until } from "../../support/until.ts";

/** What the recipe has under this name, as it stands there. */
function script(name: string): string {
  // Its first comment names it.
  const found = codeBlocks().find(
    ({ where, text }) =>
      where.startsWith("docs/recipes/files.md:") &&
      text.split("\n", 2).some((line) => line.startsWith(`# ${name}`) || line.startsWith(`-- ${name}`)),
  );
  if (found === undefined) throw new Error(`docs/recipes/files.md has no ${name}`);
  return found.text;
}

const runs = (command: string, ...args: readonly string[]): boolean =>
  spawnSync(command, args, { stdio: "ignore" }).status === 0;
const jq = runs("jq", "--version");
const ffmpeg = jq && runs("ffmpeg", "-version");

/** Debian keeps the server's programs off the path. */
const postgres = ((): string | undefined => {
  const root = "/usr/lib/postgresql";
  const versions = spawnSync("ls", [root], { encoding: "utf8" }).stdout?.split("\n") ?? [];
  return versions
    .map((version) => join(root, version, "bin"))
    .find((bin) => runs(join(bin, "postgres"), "--version"));
})();
const psql = jq && postgres !== undefined && runs("psql", "--version");

let samba: Samba;
let cli: CommandLine;
let folder: string;
beforeAll(async () => {
  samba = await startSamba();
  folder = mkdtempSync(join(tmpdir(), "smb2nats-recipes-"));
  cli = new CommandLine({ SMB2NATS_PASSWORD_FILE: samba.passwordFile, PGHOST: folder, PGUSER: "ann" });
});
afterAll(async () => {
  await cli?.close();
  await samba?.stop();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

/** Makes the recipe's scripts, in a folder that goes with the others. */
function scripts(...names: readonly string[]): string {
  const place = mkdtempSync(join(folder, "scripts-"));
  for (const name of names) writeFileSync(join(place, name), script(name), { mode: 0o755 });
  return place;
}

/** Deals with what is ready, once. */
async function takeOnce(
  directory: string,
  args: readonly string[],
): Promise<{ code: number | null; err: string }> {
  const url = `//127.0.0.1:${samba.port}/share/${directory}`;
  const running = cli.run(["ready", url, "--username", samba.user, "--once", "--quiet", "0.3", ...args]);
  return { code: await running.code, err: running.err() };
}

describe("recipes for files that are complete", () => {
  it.skipIf(!ffmpeg)(
    "a hot folder to a transcoder (with ffmpeg and jq)",
    async () => {
      const hot = samba.path("share");
      mkdirSync(join(hot, "hot"));
      const film = join(folder, "film.mov");
      const sources = ["-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=1"];
      execFileSync("ffmpeg", ["-loglevel", "error", ...sources, film]);
      await samba.smbclient(`put ${film} "hot\\My film, the 1st.mov"; put ${film} hot\\notes.nfo`);
      const place = scripts("transcode.sh");
      const done = join(folder, "out");
      mkdirSync(done);
      const { code, err } = await takeOnce("hot", [
        ...["--ignore", "*.nfo,*.srt", "--exec", join(place, "transcode.sh"), "--", hot, done],
      ]);
      expect({ code, err }).toEqual({ code: 0, err: expect.not.stringContaining("ERROR") });
      expect(readdirSync(done)).toEqual(["My film, the 1st.mkv"]);
      const probe = ["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0"];
      const codec = execFileSync("ffprobe", [...probe, join(done, "My film, the 1st.mkv")], {
        encoding: "utf8",
      });
      expect(codec.trim()).toBe("hevc");
    },
    120_000,
  );

  it.skipIf(!psql)(
    "exports to a database (with PostgreSQL and jq)",
    async () => {
      const database = await startPostgres();
      try {
        database.sql("create database production", "postgres");
        database.sql(
          "create table measurements (source text, at timestamptz, sensor text, value double precision)",
        );
        const exports = samba.path("share");
        mkdirSync(join(exports, "line"));
        const place = scripts("load.sh", "load.sql");
        const local = join(folder, "export.csv");
        const take = (): ReturnType<typeof takeOnce> =>
          takeOnce("line", [
            "--done",
            join(folder, "line.jsonl"),
            "--exec",
            join(place, "load.sh"),
            "--",
            exports,
          ]);
        const put = async (rows: number, name: string): Promise<void> => {
          const lines = Array.from(
            { length: rows },
            (_, row) => `2026-11-29T10:00:0${row}Z,t${row},${row}.5`,
          );
          writeFileSync(local, `at,sensor,value\n${lines.join("\n")}\n`);
          await samba.smbclient(`put ${local} "line\\${name}"`);
        };
        const name = "it's $(id) '''.csv";
        await put(2, name);
        await put(1, "other.csv");
        expect(await take()).toEqual({ code: 0, err: expect.not.stringContaining("ERROR") });
        const count = `select source, count(*), sum(value) from measurements group by source order by source`;
        expect(database.sql(count)).toBe(`/line/${name}|2|2\n/line/other.csv|1|0.5\n`);
        // Appended to: what was loaded is replaced.
        await put(5, name);
        expect(await take()).toEqual({ code: 0, err: expect.not.stringContaining("ERROR") });
        expect(database.sql(count)).toBe(`/line/${name}|5|12.5\n/line/other.csv|1|0.5\n`);
        // What cannot be loaded changes nothing, and is not taken for done.
        writeFileSync(local, "at,sensor,value\nno time,t,1\n");
        await samba.smbclient(`put ${local} line\\other.csv`);
        expect(
          (await takeOnce("line", ["--tries", "1", "--exec", join(place, "load.sh"), "--", exports])).code,
        ).toBe(1);
        expect(database.sql(count)).toContain("/line/other.csv|1|0.5\n");
      } finally {
        await database.stop();
      }
    },
    120_000,
  );
});

/** A server of our own on a socket in the folder, by an account that is not root. */
async function startPostgres(): Promise<{
  sql(command: string, name?: string): string;
  stop(): Promise<void>;
}> {
  const bin = postgres ?? "";
  const root = process.getuid?.() === 0;
  const id = (flag: string): number => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  const account = root ? { uid: id("-u"), gid: id("-g") } : {};
  const home = mkdtempSync(join(tmpdir(), "smb2nats-postgres-"));
  if (root) execFileSync("chown", ["postgres", home]);
  const data = join(home, "data");
  const settings = ["-D", data, "-k", folder, "-c", "listen_addresses="];
  execFileSync(join(bin, "initdb"), ["-D", data, "-U", "ann", "-A", "trust", "-E", "UTF8"], {
    stdio: "pipe",
    ...account,
  });
  chmodSync(folder, 0o777);
  const server = spawn(join(bin, "postgres"), settings, { stdio: "ignore", cwd: home, ...account });
  const ended = new Promise<void>((resolve) => server.once("close", () => resolve()));
  const run = (command: string, name: string): string =>
    execFileSync("psql", ["-X", "-h", folder, "-U", "ann", "-d", name, "-A", "-t", "-q", "-c", command], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  const stop = async (): Promise<void> => {
    server.kill("SIGINT");
    await ended;
    rmSync(home, { recursive: true, force: true });
  };
  try {
    await until("PostgreSQL", () => run("select 1", "postgres"));
  } catch (error) {
    await stop();
    throw error;
  }
  return { sql: (command, name = "production") => run(command, name), stop };
}

it("has a script for each recipe that names one", () => {
  for (const name of ["transcode.sh", "load.sh", "load.sql"]) expect(script(name)).toContain(name);
  expect(readFileSync("examples/take/fetch.sh", "utf8")).toContain("fetch.sh");
});
