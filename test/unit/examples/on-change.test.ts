import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

const SCRIPT = join(import.meta.dirname, "../../../examples/on-change/on-change.mjs");
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "smb2nats-on-change-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

const changes = (path: string, cursor: string): object => ({
  type: "changes",
  path,
  cursor,
  via: "notify",
  changes: [{ action: "added", name: "a" }],
});

/** Feeds the script, and tells with what its command was called, and the cursor it left. */
async function run(events: readonly object[], shell: string): Promise<{ calls: string[]; cursor: string }> {
  const command = join(dir, "command");
  const calls = join(dir, "calls");
  const cursor = join(dir, "cursor");
  writeFileSync(calls, "");
  writeFileSync(command, `#!/bin/sh\necho "$* $SMB2NATS_SCOPE" >> ${calls}\n${shell}\n`);
  chmodSync(command, 0o755);
  const child = spawn(
    process.execPath,
    [SCRIPT, "--wait", "50", "--cursor", cursor, command, "--path=/nas{}", "-v"],
    {
      stdio: ["pipe", "inherit", "inherit"],
    },
  );
  child.stdin.end(events.map((event) => `${JSON.stringify(event)}\n`).join(""));
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect(code).toBe(0);
  return { calls: readFileSync(calls, "utf8").trim().split("\n"), cursor: readFileSync(cursor, "utf8") };
}

it("runs the command once a directory and burst, and remembers how far it came", async () => {
  const events = [
    { type: "live", cursor: "e:0" },
    changes("/My Photos/$(x)", "e:1"),
    changes("/b", "e:2"),
    changes("/My Photos/$(x)", "e:3"),
    { type: "resync", path: "/b", scope: "subtree", reason: "overflow", cursor: "e:4" },
    { type: "state", path: "/", state: "live", mode: "notify" },
  ];
  expect(await run(events, "exit 0")).toEqual({
    calls: ["--path=/nas/My Photos/$(x) -v self", "--path=/nas/b -v subtree"],
    cursor: "e:4",
  });
});

it("tries again what failed, before anything else", async () => {
  const { calls } = await run(
    [changes("/a", "e:1"), changes("/b", "e:2")],
    `[ $(wc -l < ${dir}/calls) -gt 1 ]`,
  );
  expect(calls).toEqual(["--path=/nas/a -v self", "--path=/nas/a -v self", "--path=/nas/b -v self"]);
});
