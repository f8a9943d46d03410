import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Samba, startSamba } from "../../scripts/lab/samba.ts";
import { CommandLine, type Running } from "../support/processes/cli.ts";
import { until } from "../support/until.ts";

let samba: Samba;
let cli: CommandLine;

beforeAll(async () => {
  samba = await startSamba();
  cli = new CommandLine({
    SMB2NATS_PASSWORD_FILE: samba.passwordFile,
    SMB2NATS_USERNAME: samba.user,
    SMB2NATS_DOMAIN: samba.domain,
  });
});
afterEach(() => cli.endAll());
afterAll(async () => {
  await cli?.close();
  await samba?.stop();
});

function ready(directory: string, ...args: readonly string[]): Running {
  return cli.run(["ready", `//127.0.0.1:${samba.port}/share/${directory}`, "--quiet", "0.3", ...args]);
}

/** A program that writes down what it gets, and ends as `rule` says; `$line` is what it got. */
function program(
  name: string,
  rule: string,
): { readonly path: string; readonly got: () => Record<string, unknown>[] } {
  const path = join(cli.folder, `${name}.sh`);
  const log = join(cli.folder, `${name}.log`);
  writeFileSync(path, `#!/bin/sh\nread -r line\nprintf '%s\\n' "$line" >> '${log}'\n${rule}\n`);
  chmodSync(path, 0o755);
  return {
    path,
    got: () =>
      existsSync(log)
        ? readFileSync(log, "utf8")
            .split("\n")
            .filter((line) => line !== "")
            .map((line) => JSON.parse(line) as Record<string, unknown>)
        : [],
  };
}

/** A file of the directory on the server, written a moment ago by nobody who still has it open. */
function put(directory: string, name: string, text: string): void {
  const path = join(samba.path(), directory);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, name), text);
}

describe("smb2nats ready", () => {
  it("hands over what is there and what comes, once, also after a restart", async () => {
    put("in", "there", "1");
    const take = program("take", "exit 0");
    const done = join(cli.folder, "done.jsonl");
    const first = ready("in", "--exec", take.path, "--done", done);
    await until("what was there is taken", () => take.got().length === 1);
    const file = join(cli.folder, "local");
    writeFileSync(file, "22");
    await samba.smbclient(`put ${file} in\\comes.part; rename in\\comes.part in\\comes`);
    await until("what came is taken", () => take.got().length === 2);
    expect(take.got().map(({ path, size, closed }) => [path, size, closed])).toEqual([
      ["/in/there", 1, true],
      ["/in/comes", 2, true],
    ]);
    expect(take.got()[1]).toEqual({
      type: "ready",
      share: `//127.0.0.1:${samba.port}/share`,
      path: "/in/comes",
      name: "comes",
      size: 2,
      modified: expect.stringMatching(/^20.*Z$/),
      fileId: expect.stringMatching(/^\d+$/),
      closed: true,
      time: expect.any(String),
    });
    // A crash, and a line that it cut short.
    first.child.kill("SIGKILL");
    await first.code;
    writeFileSync(done, `${readFileSync(done, "utf8")}{"path":"/in/th`);
    put("in", "while-away", "333");
    const second = ready("in", "--exec", take.path, "--done", done, "--once");
    expect([await second.code, second.err()]).toEqual([0, expect.any(String)]);
    expect(take.got().map(({ path }) => path)).toEqual(["/in/there", "/in/comes", "/in/while-away"]);
    const third = ready("in", "--exec", take.path, "--done", done, "--once");
    expect(await third.code).toBe(0);
    expect(take.got()).toHaveLength(3);
  });

  it("tries again what fails, and says what it has given up", async () => {
    put("tries", "later", "1");
    put("tries", "never", "1");
    const count = join(cli.folder, "count");
    const flaky = program(
      "flaky",
      `case "$line" in *never*) exit 3;; esac\necho >> '${count}'; [ "$(wc -l < '${count}')" -ge 2 ]`,
    );
    const run = ready("tries", "--exec", flaky.path, "--tries", "2", "--once");
    expect(await run.code).toBe(1);
    expect(run.err()).toContain("/tries/never: given up after 2 tries");
    expect(
      flaky
        .got()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["later", "later", "never", "never"]);
  });

  it("leaves alone what is ignored, and what is being written with --once", async () => {
    put("some", "a.log", "1");
    put("some", "b", "1");
    put("some", "c.tmp", "1");
    const run = ready("some", "--once", "--json", "--ignore", "*.log,x");
    expect(await run.code).toBe(0);
    expect(run.lines().map(({ path }) => path)).toEqual(["/some/b"]);
  });
});
