import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Executor, findProgram } from "../../../src/cli/exec.ts";
import { until } from "../../support/until.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "smb2nats-exec-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function program(name: string, body: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

const told: string[] = [];
function executor(path: string, more: { args?: string[]; jobs?: number; timeoutMs?: number } = {}): Executor {
  told.length = 0;
  return new Executor({
    program: path,
    args: more.args ?? [],
    jobs: more.jobs ?? 1,
    timeoutMs: more.timeoutMs ?? 20_000,
    env: { PATH: process.env["PATH"] },
    onFailure: (line) => told.push(line),
  });
}

const read = (name: string): string => {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
};

describe("a process for each batch", () => {
  it("gets the batch on standard input, and its arguments as they are: no shell looks at them", async () => {
    const path = program("take", `cat >>"${folder}/taken"; printf '%s\\n' "$1" >>"${folder}/taken"`);
    const exec = executor(path, { args: ["$(touch oops); 'a b'"] });
    for (const n of [1, 2, 3]) await exec.run(`{"n":${n}}\n`);
    await exec.idle();
    // One at a time: in order.
    expect(read("taken")).toBe([1, 2, 3].map((n) => `{"n":${n}}\n$(touch oops); 'a b'\n`).join(""));
    expect(exec.failures).toBe(0);
  });

  it("never has more running than allowed", async () => {
    const path = program(
      "hold",
      `echo begin >>"${folder}/held"; cat >/dev/null; sleep 0.2; echo end >>"${folder}/held"`,
    );
    const exec = executor(path, { jobs: 2 });
    for (let n = 0; n < 6; n++) await exec.run("{}\n");
    await exec.idle();
    let running = 0;
    let most = 0;
    for (const line of read("held").trim().split("\n")) {
      running += line === "begin" ? 1 : -1;
      most = Math.max(most, running);
    }
    expect(read("held").match(/end/g)).toHaveLength(6);
    expect(most).toBeLessThanOrEqual(2);
  });

  it("says how each ended that did not end with 0, and goes on", async () => {
    const path = program("fail", 'read line; [ "$line" = ok ] || exit 3');
    const exec = executor(path);
    await exec.run("bad\n");
    await exec.run("ok\n");
    await exec.idle();
    expect(exec.failures).toBe(1);
    expect(told).toEqual([expect.stringMatching(/fail \(process \d+\) ended with 3$/)]);
  });

  it("ends what takes too long, also what does not want to end", async () => {
    const path = program("stubborn", `trap '' TERM; echo up >"${folder}/up"; while :; do sleep 0.1; done`);
    const exec = executor(path, { timeoutMs: 300 });
    await exec.run("{}\n");
    await exec.idle();
    expect(told).toEqual([expect.stringMatching(/took longer than 0\.3 s and was ended$/)]);
  });

  it("does not care whether the program reads", async () => {
    const exec = executor(program("deaf", "exec <&-; sleep 0.1"));
    await exec.run("x".repeat(1_000_000));
    await exec.idle();
    expect(exec.failures).toBe(0);
  });

  it("counts what cannot be started", async () => {
    const exec = executor(join(folder, "not-there"));
    await exec.run("{}\n");
    await exec.idle();
    expect(told).toEqual([expect.stringMatching(/not-there cannot be started \(.*ENOENT\)$/)]);
  });

  it("is ended with us after a grace", async () => {
    const exec = executor(program("long", `echo $$ >"${folder}/pid"; exec sleep 600`));
    await exec.run("{}\n");
    await until("the program", () => read("pid") !== "");
    await exec.close(50);
    expect(told).toEqual([expect.stringMatching(/was ended by SIGTERM$/)]);
    expect(() => process.kill(Number(read("pid")), 0)).toThrow();
  });
});

describe("the program", () => {
  it("is looked for as execvp does, and a mistake is told at once", () => {
    const path = program("there", "exit 0");
    expect(findProgram(path, {})).toBe(path);
    expect(findProgram("there", { PATH: `/nowhere:${folder}` })).toBe(path);
    expect(() => findProgram("there", { PATH: "/nowhere" })).toThrow(/"there" is not an executable file$/);
    expect(() => findProgram(`${path} --fast`, {})).toThrow(/without a shell: arguments go behind --$/);
    writeFileSync(join(folder, "plain"), "");
    expect(() => findProgram(join(folder, "plain"), {})).toThrow(/not an executable/);
    expect(() => findProgram(folder, {})).toThrow(/not an executable/);
  });
});
