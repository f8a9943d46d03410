import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { ShareWatcher } from "../../../src/watch/share-watcher.ts";
import type { ConnectionRuntime } from "../../../src/worker/runtime.ts";
import { FakeShare } from "../../support/fakes/fake-source.ts";
import { Fleet, until } from "./harness.ts";

const EXAMPLE = join(import.meta.dirname, "../../../examples/consumer-python/consumer.py");
const python = ["python3", "python"].find((name) => spawnSync(name, ["--version"]).status === 0);
if (python === undefined) console.warn("skipped: no Python here to run the example with");

let fleet: Fleet;
let share: FakeShare;
let child: ChildProcess | undefined;
const closers: (() => Promise<void>)[] = [];
beforeEach(async () => {
  fleet = await Fleet.start();
  share = new FakeShare({ clock: systemClock });
});
afterEach(async () => {
  child?.kill("SIGKILL");
  await fleet.close();
  for (const close of closers.splice(0)) await close();
});

/** A worker that watches the share as it would a real one, and lists nothing for anybody. */
async function joinFleet(): ReturnType<Fleet["worker"]> {
  const watches = new ShareWatcher(share, { cover: "directory" });
  closers.push(() => watches.close());
  const runtime: ConnectionRuntime = {
    name: "nas1",
    caseSensitive: true,
    sourceUrl: "smb://server/share",
    watches,
    list: async () => {
      throw new Error("nobody has to list");
    },
    close: async () => undefined,
  };
  return fleet.worker({ connections: new Map([["nas1", runtime]]) });
}

type Line = Readonly<Record<string, unknown>> & { readonly names?: readonly string[] };

describe.skipIf(python === undefined)("the example in Python", () => {
  let lines: Line[];
  let errors: string;
  let ended: number | null | undefined;
  const run = (...args: string[]): void => {
    lines = [];
    errors = "";
    ended = undefined;
    child = spawn(python as string, [EXAMPLE, "nas1", ...args, "--server", `127.0.0.1:${fleet.nats.port}`]);
    let partial = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      const parts = `${partial}${chunk.toString()}`.split("\n");
      partial = parts.pop() ?? "";
      for (const part of parts) lines.push(JSON.parse(part) as Line);
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.on("close", (code) => {
      ended = code;
    });
  };
  /** The names of a directory as the example said last. */
  const picture = (path: string): string | undefined =>
    lines.findLast((line) => line["snapshot"] === path || line["changes"] === path)?.names?.join();
  const shows = (path: string, names: string): Promise<unknown> =>
    until(`${names} in ${path}`, () => {
      if (errors !== "") throw new Error(errors);
      return picture(path) === names;
    });
  const snapshots = (): unknown[] => lines.flatMap(({ snapshot, reason }) => (snapshot ? [reason] : []));

  it("mirrors a tree without listing, follows renames, and gives its watch back", async () => {
    await joinFleet();
    share.mkdir("/inbox");
    share.write("/inbox/old.txt");
    share.mkdir("/inbox/a");
    share.mkdir("/inbox/a/deep");
    share.write("/inbox/a/deep/x");
    run("inbox/", "--recursive");
    await shows("/inbox", "a,old.txt");
    share.write("/inbox/Übung 日本.txt");
    await shows("/inbox", "a,old.txt,Übung 日本.txt");
    share.remove("/inbox/old.txt");
    await shows("/inbox", "a,Übung 日本.txt");
    share.rename("/inbox/a", "/inbox/b");
    await shows("/inbox", "b,Übung 日本.txt");
    // What lies below has moved along: nobody told it anew, and nothing was taken anew for it.
    share.write("/inbox/b/deep/y");
    await shows("/inbox/b/deep", "x,y");
    expect(snapshots()).toEqual(["first"]);
    const { view } = await fleet.member();
    const lease = () => [...view.leases.values()].find(({ record }) => record.host === "consumer.py");
    const revision = lease()?.revision;
    await until("a renewal", () => (lease()?.revision ?? 0) > (revision ?? Number.POSITIVE_INFINITY));
    child?.kill("SIGTERM");
    await until("its end", () => ended !== undefined);
    expect([ended, errors]).toEqual([0, ""]);
    expect(lines.at(-1)).toEqual({ released: "/inbox" });
    await until("the watch to end", () => view.refs.size === 0);
  });

  it("goes by what another owner tells after the first is gone", async () => {
    const { worker } = await joinFleet();
    share.mkdir("/inbox");
    share.write("/inbox/kept");
    share.write("/inbox/removed");
    run("/inbox");
    await shows("/inbox", "kept,removed");
    await worker.close();
    share.remove("/inbox/removed");
    share.write("/inbox/new");
    await joinFleet();
    await shows("/inbox", "kept,new");
    share.write("/inbox/newer");
    await shows("/inbox", "kept,new,newer");
  });

  it("says why there is nothing to mirror", async () => {
    await joinFleet();
    run("/nowhere");
    await until("its end", () => ended !== undefined);
    expect(ended).toBe(1);
    expect(errors).toContain("not_found");
    expect(errors).not.toContain("Traceback");
  });
});
