import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { runProgram } from "../../../src/cli/program.ts";
import { type Application, json, startApplication } from "../../support/servers/application.ts";
import { fakeTerminal } from "../../unit/cli/terminal.ts";

const ONE = "0b0c4b3e-0c60-4c0e-9d5e-3a5f5a3b2c10";
const TWO = "1b0c4b3e-0c60-4c0e-9d5e-3a5f5a3b2c10";
const GONE = "2b0c4b3e-0c60-4c0e-9d5e-3a5f5a3b2c10";
const TOKEN = "a-token-of-sambee";
/** As `ConnectionRead` of Sambee 1.0.9 has them. */
const entry = (id: string, name: string, more: object = {}): object => ({
  id,
  name,
  slug: "s",
  type: "smb",
  host: "nas.example.org",
  port: 445,
  share_name: "media",
  username: "watcher",
  path_prefix: "/",
  scope: "shared",
  access_mode: "read_write",
  can_manage: true,
  created_at: "2026-01-01T00:00:00",
  updated_at: "2026-01-01T00:00:00",
  ...more,
});

describe("smb2nats connections import --from sambee", () => {
  let application: Application;
  let folder: string;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "smb2nats-import-"));
    writeFileSync(join(folder, "token"), `${TOKEN}\n`, { mode: 0o600 });
    application = await startApplication();
  });
  afterEach(async () => {
    rmSync(folder, { recursive: true });
    await application.stop();
  });

  const run = async (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
    const { context, stdout, stderr } = fakeTerminal({});
    const { origin } = new URL(application.url);
    const where = ["--from", "sambee", "--url", origin, "--token-file", join(folder, "token")];
    const code = await runProgram(["connections", "import", ...where, ...args], context);
    expect(stdout.text + stderr.text).not.toContain(TOKEN);
    return { code, stdout: stdout.text, stderr: stderr.text };
  };
  const list = (...entries: unknown[]): void => {
    application.answer = (_, response) => json(response, entries);
  };

  it("prints a section that the configuration takes, and says what is missing", async () => {
    list(
      entry(TWO, "Büro\n: \u202e#", { path_prefix: "\\Teams\\a b", username: "CORP\\anna", port: 4450 }),
      entry(ONE, "Archive", { path_prefix: null }),
      entry("x", "Other", { type: "sftp" }),
      entry("Not A Name", "Odd"),
      entry(GONE, "Up", { path_prefix: "../.." }),
    );
    const { code, stdout, stderr } = await run("--secrets-dir", folder);
    expect(code).toBe(0);
    expect(parse(stdout)).toEqual({
      connections: {
        [ONE]: {
          server: "nas.example.org",
          share: "media",
          username: "watcher",
          passwordFile: join(folder, ONE),
        },
        [TWO]: {
          server: "nas.example.org",
          port: 4450,
          share: "media",
          root: "/Teams/a b",
          username: "anna",
          domain: "CORP",
          passwordFile: join(folder, TWO),
        },
      },
    });
    expect(stdout).not.toContain("\u202e");
    expect(stderr).toContain("still missing: 2 file(s) with a password");
    expect(stderr.match(/left out: /g)).toHaveLength(3);
    expect(application.asked).toEqual([TOKEN]);
    const config = join(folder, "config.yaml");
    writeFileSync(config, stdout);
    const { context, stdout: said } = fakeTerminal({});
    for (const id of [ONE, TWO]) writeFileSync(join(folder, id), "secret\n", { mode: 0o600 });
    expect(await runProgram(["config", "check", "--config", config], context)).toBe(0);
    expect(said.text).toContain("ok: 2 connections");
    expect(await run("--check", "--config", config)).toMatchObject({
      code: 0,
      stdout: "ok: 2 connections\n",
    });
  });

  it("compares, for a timer", async () => {
    list(entry(ONE, "Archive"), entry(TWO, "Büro", { host: "NAS2", path_prefix: "/a" }));
    const config = join(folder, "config.yaml");
    const own = "server: nas2:4450, share: MEDIA, root: /b, username: watcher, passwordFile: /run/secrets/x";
    const connections = `{ own: { ${own} }, ${TWO}: { ${own} }, ${GONE}: { ${own} } }`;
    writeFileSync(config, `connections: ${connections}\n`);
    const { code, stdout } = await run("--check", "--config", config);
    expect(code).toBe(1);
    expect(stdout.trim().split("\n").sort()).toEqual([
      `${ONE} (Archive): missing`,
      `${TWO} (Büro): port is 4450 here and 445 there`,
      `${TWO} (Büro): root is /b here and /a there`,
      `${GONE}: left over: the token's user sees none of this id`,
    ]);
    const { stdout: machine } = await run("--check", "--config", config, "--json");
    expect(JSON.parse(machine)).toMatchObject({
      ok: false,
      differences: [{ connection: ONE, what: "missing" }, {}, {}, {}],
    });
  });

  it.each([
    ["a token that is refused", 77, (status: (code: number) => void) => status(401)],
    ["an error", 69, (status: (code: number) => void) => status(500)],
  ] as const)("says %s by its exit status", async (_, expected, answer) => {
    application.answer = (_request, response) => answer((code) => response.writeHead(code).end());
    expect((await run()).code).toBe(expected);
  });

  it("says that a list of another form is none", async () => {
    list({ id: ONE });
    const { code, stderr } = await run();
    expect([code, stderr]).toEqual([69, expect.stringContaining("not of the form")]);
  });

  it.each([
    [["--from", "other"], "there is sambee"],
    [["--url", "ftp://x"], "neither http nor https"],
    [["--url", "http://u:p@x"], "holds a password"],
    [["--token-file", ""], "--token-file is missing"],
  ])("refuses %j", async (args, why) => {
    const { code, stderr } = await run(...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(why)]);
  });
});
