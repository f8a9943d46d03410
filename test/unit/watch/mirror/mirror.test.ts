import { afterEach, expect, it } from "vitest";
import { ManualClock, systemClock } from "../../../../src/base/clock.ts";
import { canonicalPath } from "../../../../src/base/path.ts";
import { LiveMirror } from "../../../../src/watch/mirror/mirror.ts";
import type { MirrorChange } from "../../../../src/watch/mirror/types.ts";

const others = process.listeners("uncaughtException");
afterEach(() => {
  process.removeAllListeners("uncaughtException");
  for (const other of others) process.on("uncaughtException", other);
});

function mirror(onClose: () => Promise<void> = async () => undefined): LiveMirror {
  const path = canonicalPath("/d");
  return new LiveMirror({
    ...{ path, recursive: false, caseSensitive: () => false, clock: systemClock, onClose },
    take: async () => {
      const directories = [{ path, entries: [{ name: "a", type: "file" as const }] }];
      return { epoch: "e-1", told: 1, stored: true, servedBy: { path, recursive: false }, directories };
    },
    failure: () => "again",
  });
}

it("keeps its picture, and tells the others, where a listener throws: that is reported as uncaught", async () => {
  process.removeAllListeners("uncaughtException");
  const uncaught: unknown[] = [];
  process.on("uncaughtException", (error) => uncaught.push(error));
  const own = mirror();
  const heard: MirrorChange["type"][] = [];
  own.on("change", () => {
    throw new Error("theirs");
  });
  own.on("change", ({ type }) => heard.push(type));
  own.renew("first");
  await own.ready;
  own.hear({
    ...{ type: "changes", path: canonicalPath("/d"), epoch: "e-1", told: 2 },
    changes: [{ action: "added", name: "b" }],
  });
  expect(own.entries().map(({ name }) => name)).toEqual(["a", "b"]);
  expect([heard, own.snapshots]).toEqual([["snapshot", "changes"], { first: 1 }]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(uncaught.map(String)).toEqual(["Error: theirs", "Error: theirs"]);
  await own.close();
});

it("ends for who waits where it cannot be kept, whatever its end comes to", async () => {
  const own = mirror(() => Promise.reject(new Error("of the end")));
  own.fail(new Error("not to be had"));
  await expect(own.ready).rejects.toThrow("not to be had");
  await expect(own.close()).rejects.toThrow("of the end");
});

it("is degraded while nobody says for too long what is there, and as its watch is once somebody does", async () => {
  const clock = new ManualClock();
  const path = canonicalPath("/d");
  let answers = false;
  const own = new LiveMirror({
    ...{ path, recursive: false, caseSensitive: () => false, clock, onClose: () => undefined },
    take: async () => {
      if (!answers) throw new Error("nobody is there");
      return { epoch: "e-1", told: 1, stored: true, servedBy: { path, recursive: false }, directories: [] };
    },
    failure: () => "again",
  });
  const heard: unknown[] = [];
  own.on("change", (change) => heard.push(change.type === "state" ? change.state : change.type));
  own.fares({ state: "live", mode: "notify" });
  own.renew("first");
  await clock.advance(9_999);
  expect(own.getSnapshot()).toMatchObject({ ready: false, state: "live" });
  await clock.advance(1);
  expect(own.getSnapshot()).toMatchObject({ ready: false, state: "degraded", error: expect.any(String) });
  answers = true;
  await clock.advance(10_000);
  await own.ready;
  expect(own.getSnapshot()).toEqual({ ready: true, state: "live", entries: [] });
  expect(heard).toEqual(["live", "degraded", "snapshot", "live"]);
  // In time, the next is nothing to tell.
  own.renew("overflow");
  await clock.advance(20_000);
  expect(heard.slice(4)).toEqual(["snapshot"]);
  await own.close();
});
