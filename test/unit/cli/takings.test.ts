import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { deferred } from "../../../src/base/async.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { canonicalPath } from "../../../src/base/path.ts";
import { DoneFile, DoneFileError } from "../../../src/cli/compose/done-file.ts";
import { type ReadyFile, Takings, type TakingsOptions } from "../../../src/cli/compose/takings.ts";

const disk = vi.hoisted(() => ({ full: false }));
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const fsyncSync: typeof fs.fsyncSync = (handle) => {
    if (disk.full) throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
    fs.fsyncSync(handle);
  };
  return { ...fs, fsyncSync };
});

const FILE: ReadyFile = {
  path: canonicalPath("/in/a.pdf"),
  name: "a.pdf",
  size: 1,
  modified: "2026-01-01T00:00:00Z",
  closed: true,
};

describe("files that are dealt with", () => {
  const given: string[] = [];
  const takings = (options: Partial<TakingsOptions>): Takings =>
    new Takings({
      clock: systemClock,
      take: async () => true,
      tries: 1,
      isDone: () => false,
      done: () => given.push("done"),
      givenUp: () => given.push("given up"),
      ...options,
    });
  beforeEach(() => {
    given.length = 0;
  });

  it("are not given up where they went while a program had them", async () => {
    const program = deferred<boolean>();
    const all = takings({ take: () => program.promise });
    all.add(FILE);
    all.forget(FILE.path);
    program.resolve(false);
    await all.idle();
    expect([given, all.size]).toEqual([[], 0]);
  });

  it("are given up where they are still there", async () => {
    const all = takings({ take: async () => false });
    all.add(FILE);
    await all.idle();
    expect([given, all.size]).toEqual([["given up"], 0]);
  });

  it("are written down before idle is over, also at the end", async () => {
    const program = deferred<boolean>();
    const all = takings({ take: () => program.promise });
    all.add(FILE);
    all.close();
    program.resolve(true);
    await all.idle();
    expect(given).toEqual(["done"]);
  });
});

describe("the file of what was done", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "smb2nats-done-"));
  });
  afterEach(() => {
    disk.full = false;
    rmSync(folder, { recursive: true, force: true });
  });

  it("says where it cannot be written, and takes nothing for done", () => {
    const path = join(folder, "done");
    const file = new DoneFile(path);
    disk.full = true;
    expect(() => file.add(FILE)).toThrow(DoneFileError);
    expect(() => file.add(FILE)).toThrow(/cannot be written \(ENOSPC\)/);
    expect(file.has(FILE)).toBe(false);
    disk.full = false;
    file.add(FILE);
    expect(file.has(FILE)).toBe(true);
    file.close();
    expect(readFileSync(path, "utf8")).toContain("/in/a.pdf");
  });
});
