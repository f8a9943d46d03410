import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../src/base/clock.ts";
import type { EventPublisher, WatchPublisher } from "../../src/broker/port.ts";
import { ShareWatcher } from "../../src/watch/share-watcher.ts";
import { FakeShare } from "../support/fakes/fake-source.ts";
import { oneWatch } from "../support/one-watch.ts";
import { seeded } from "../support/random.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** `watch/handle` of `src/watch/handle/armed-handle.ts`: a room, or a floor without rooms. */
function roomOf(file: string): string {
  const [floor = "", room = ""] = file.replace(/^.*\bsrc\//, "").split("/");
  return room.endsWith(".ts") ? floor : `${floor}/${room}`;
}

/** Stays in one room are one visit. */
function visits(rooms: readonly string[]): string[] {
  return rooms.filter((room, index) => room !== rooms[index - 1]);
}

describe("the way of one change", () => {
  const stop: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of stop.splice(0).reverse()) await end();
    Error.stackTraceLimit = 10;
  });

  it("is drawn through each room once, past files that are there", () => {
    const page = readFileSync(join(ROOT, "docs/architecture.md"), "utf8");
    const table = page.slice(
      page.indexOf("## The way of one change"),
      page.indexOf("## The way of one doubt"),
    );
    const stages = [...table.matchAll(/^\| [^|]+ \| `(src\/[^`]+)`/gm)].map((match) => match[1] as string);
    expect(stages.length).toBeGreaterThan(10);
    expect(stages.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
    const rooms = visits(stages.map(roomOf));
    expect(rooms).toEqual([...new Set(rooms)]);
  });

  // Who calls whom from a server's answer to the worker's publisher is all on the stack there: nothing waits in between.
  it.each(["directory", "tree"] as const)("passes each room once, with cover %s", async (cover) => {
    const clock = new ManualClock();
    const share = new FakeShare({ clock, random: seeded(1) });
    const watcher = new ShareWatcher(share, { cover }, { clock, random: seeded(2) });
    stop.push(async () => {
      await watcher.close();
      await clock.advance(10_000);
    });
    share.mkdir("/d");
    const ways: string[][] = [];
    const outlet = {
      epoch: "1",
      changes: () => {
        const frames = (new Error("a way").stack ?? "")
          .split("\n")
          .filter((line) => !/^ +at async /.test(line));
        const files = frames.flatMap((line) => /\/src\/[\w/-]+\.ts/.exec(line)?.[0] ?? []);
        ways.push(visits(files.reverse().map(roomOf)));
      },
      state: () => undefined,
      resync: () => undefined,
      flush: async () => undefined,
      close: async () => true,
    };
    const publisher = { open: () => outlet as unknown as WatchPublisher };
    const watch = oneWatch(watcher, publisher as unknown as EventPublisher, clock);
    stop.push(() => watch.close());
    await clock.advance(500);
    await watch.open("1", undefined, new AbortController().signal);
    Error.stackTraceLimit = Number.POSITIVE_INFINITY;
    share.write("/d/a");
    await clock.advance(500);
    expect(ways).toEqual([["watch/handle", "watch/cover", "watch/deliver", "worker"]]);
  });
});
