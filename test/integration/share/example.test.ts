import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { until } from "../../support/until.ts";

const ROOT = join(import.meta.dirname, "../../..");

describe("examples/watch.ts", () => {
  let samba: Samba;
  let child: ChildProcess | undefined;

  beforeAll(async () => {
    samba = await startSamba();
  });
  afterEach(() => child?.kill("SIGKILL"));
  afterAll(() => samba?.stop());

  function run(
    share: string,
    password: string,
  ): { readonly output: () => string; readonly code: Promise<number | null> } {
    const started = spawn(process.execPath, ["--import", "tsx", "examples/watch.ts", share], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, SMB_USERNAME: samba.user, SMB_PASSWORD: password },
    });
    child = started;
    let text = "";
    for (const stream of [started.stdout, started.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
    }
    const code = new Promise<number | null>((resolve) => started.once("close", resolve));
    return { output: () => text, code };
  }

  it("tells what happens, and leaves in order on Ctrl-C", async () => {
    mkdirSync(join(samba.path(), "Photos", "old"), { recursive: true });
    const { output, code } = run(`//127.0.0.1:${samba.port}/share/Photos`, samba.password);
    await until("the watch", () => output().includes("live: 1 entries in /Photos"));
    await samba.smbclient("mkdir Photos/new; mkdir Photos/new/deep; rename Photos/old Photos/older");
    const lines = ["added /Photos new", "added /Photos/new deep", "renamed /Photos old -> older"];
    await until("all three", () => lines.every((line) => output().includes(line)));
    child?.kill("SIGINT");
    expect(await code).toBe(0);
    expect(await samba.status()).not.toMatch(/DENY_NONE/);
  });

  it("says what is wrong", async () => {
    const refused = run(`//127.0.0.1:${samba.port}/share`, "Wrong-Horse-8");
    expect(await refused.code).toBe(1);
    expect(refused.output()).toMatch(/^credentials: .*LOGON_FAILURE/m);
    expect(await run("nonsense", "").code).toBe(2);
  });
});
