import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { COMMANDS } from "../../../src/cli/commands.ts";
import { runProgram } from "../../../src/cli/program.ts";
import { fakeTerminal } from "./terminal.ts";

async function run(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { context, stdout, stderr } = fakeTerminal(env);
  const code = await runProgram(args, context);
  return { code, stdout: stdout.text, stderr: stderr.text };
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "smb2nats-cli-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("the program", () => {
  it("answers --help on stdout, examples before usage", async () => {
    const { code, stdout, stderr } = await run(["--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout.indexOf("Examples")).toBeGreaterThan(0);
    expect(stdout.indexOf("Examples")).toBeLessThan(stdout.indexOf("Commands"));
  });

  it("without a command shows help on stderr and says usage", async () => {
    const { code, stdout, stderr } = await run([]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("Commands");
  });

  it("has help with examples for each command, under the name and summary of the list", async () => {
    for (const entry of COMMANDS) {
      const { spec } = await entry.load();
      expect(spec.name).toBe(entry.name);
      const { code, stdout } = await run([entry.name, "--help"]);
      expect(code).toBe(0);
      expect(stdout.indexOf("Examples")).toBeLessThan(stdout.indexOf("Usage"));
      expect(spec.examples.length).toBeGreaterThan(0);
      expect(stdout.split("\n").filter((line) => line.length > 110)).toEqual([]);
    }
  });

  it("prints its version", async () => {
    expect((await run(["--version"])).stdout).toMatch(/^smb2nats \d+\.\d+\.\d+/);
  });

  it.each([
    [["subjct"], 'unknown command "subjct"; did you mean "subject"?'],
    [["--json"], "unknown option --json before the command"],
    [["subject", "--reverze", "x"], "unknown option --reverze; did you mean --reverse?"],
    [["subject", "--password", "x"], "a password is read from the file SMB2NATS_PASSWORD_FILE names"],
    [["subject"], "something is missing; usage: smb2nats subject"],
    [["subject", "a", "b", "c"], '"c" is too much'],
    [["subject", "a", "/", "--config"], "--config needs a value: --config FILE"],
    [["subject", "a", "/", "--config", "--json"], "--config needs a value"],
    [["subject", "a", "/", "--json=1"], "--json takes no value"],
    [["config", "chekc"], 'unknown action "chekc"; did you mean "check"?'],
    [["subject", "NAS", "/"], '"NAS" is not a connection\'s name'],
    [["subject", "nas", "a/../b"], "bad path"],
    [["ready", "//nas/media", "--exec", "no-such-program"], "is not an executable file"],
    [["ready", "//nas/media", "--tries", "3"], "--tries says nothing without --exec"],
    [["ready", "//nas/media", "--quiet", "0"], '--quiet: "0" is not a number from 0.1 to 3600'],
    [["ready", "//nas/media", "--ignore", "a,,b"], "--ignore: an empty glob"],
    [["tail", "//nas/media", "--ready", "x"], '--ready: "x" is not a number'],
    [["tail", "//nas/media", "--min-dialect", "1.0"], '--min-dialect: "1.0" is not one of 2.0.2, 2.1'],
    [
      ["check", "//nas/media", "--max-handles", "many"],
      '--max-handles: "many" is not an integer, 1 to 100000',
    ],
    [["check", "--signing", "never"], '--signing: "never" is not one of required, if-offered'],
    [["up", "--cover", "tree"], "--cover is for a share named here"],
  ])("%j is a usage error", async (args, line) => {
    const { code, stdout, stderr } = await run(args);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain(`error: ${line}`.slice(0, 7));
    expect(stderr).toContain(line);
  });
});

describe("subject", () => {
  it("goes there and back", async () => {
    expect((await run(["subject", "nas1", "/My Documents"])).stdout).toBe("smb.nas1.my=20documents\n");
    expect((await run(["subject", "--reverse", "smb.nas1.v1=2E2"])).stdout).toBe("nas1\t/v1.2\n");
    expect((await run(["subject", "--reverse", "nonsense"])).code).toBe(2);
  });

  it("names both subjects of a tree", async () => {
    expect((await run(["subject", "nas1", "media", "-r"])).stdout).toBe("smb.nas1.media\nsmb.nas1.media.>\n");
    expect(JSON.parse((await run(["subject", "nas1", "media", "-r", "--json"])).stdout)).toEqual({
      connection: "nas1",
      path: "/media",
      subjects: ["smb.nas1.media", "smb.nas1.media.>"],
    });
  });

  it("folds as the configuration says of the connection", async () => {
    const env = {
      SMB2NATS_CONNECTIONS: "{ nas1: { server: s, share: x, auth: kerberos, caseSensitive: true } }",
    };
    expect((await run(["subject", "nas1", "/A"], env)).stdout).toBe("smb.nas1.A\n");
    expect((await run(["subject", "nas1", "/A", "--case-sensitive"])).stdout).toBe("smb.nas1.A\n");
    expect((await run(["subject", "nas1", "/A"])).stdout).toBe("smb.nas1.a\n");
  });
});

describe("config", () => {
  it("check says all mistakes, one line each, and exits 78", async () => {
    const file = join(folder, "bad.yaml");
    writeFileSync(file, "gatway: {}\nhttp: { port: x }\n");
    const { code, stdout, stderr } = await run(["config", "check", "--config", file]);
    expect([code, stdout]).toEqual([78, ""]);
    expect(stderr.trim().split("\n")).toEqual([
      `error: gatway: is not a known key; did you mean \`gateway\`? (${file})`,
      `error: http.port: "x" is not an integer, 0 to 65535 (${file})`,
    ]);
    const json = await run(["config", "check", "--json"], { SMB2NATS_CONFIG: file });
    expect(json.code).toBe(78);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      problems: [{ key: "gatway" }, { key: "http.port" }],
    });
  });

  it("check looks at the files it names", async () => {
    const env = {
      SMB2NATS_CONNECTIONS: `{ a: { server: s, share: x, username: u, passwordFile: ${folder}/none } }`,
    };
    const { code, stderr } = await run(["config", "check"], env);
    expect(code).toBe(78);
    expect(stderr).toMatch(/connections\.a\.passwordFile: ".*none" cannot be read \(ENOENT\)/);
    writeFileSync(join(folder, "none"), "secret\n", { mode: 0o600 });
    expect(await run(["config", "check"], env)).toEqual({
      code: 0,
      stdout: "ok: 1 connection, 0 pinned\n",
      stderr: "",
    });
    rmSync(join(folder, "none"));
  });

  it("print tells origins", async () => {
    const { code, stdout } = await run(["config", "print", "--json"], { SMB2NATS_LOG_LEVEL: "debug" });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)["log.level"]).toEqual({
      value: "debug",
      origin: { source: "env", detail: "SMB2NATS_LOG_LEVEL" },
    });
    expect((await run(["config", "print"])).stdout).toMatch(/^http\.port +9464 +default$/m);
  });

  it("schema is JSON", async () => {
    expect(JSON.parse((await run(["config", "schema"])).stdout)).toMatchObject({
      additionalProperties: false,
    });
  });
});
