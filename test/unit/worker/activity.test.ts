import { expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { canonicalPath } from "../../../src/base/path.ts";
import type { ChangesEvent, ResyncReason, Via, WatchEvent } from "../../../src/watch/events.ts";
import { Activity } from "../../../src/worker/activity.ts";

const path = canonicalPath("/a");
const changes = (via: Via, count = 1): ChangesEvent => ({
  type: "changes",
  path,
  via,
  changes: Array.from({ length: count }, (_, i) => ({ action: "added" as const, name: `f${i}` })),
});
const resync = (reason: ResyncReason): WatchEvent => ({ type: "resync", path, scope: "self", reason });

it("has nothing to say of a watch that told nothing", () => {
  const activity = new Activity(new ManualClock());
  activity.told({ type: "state", path, state: "live", mode: "notify" });
  expect(activity.summary()).toBeUndefined();
});

it("remembers the last change, and of the last hour resyncs by reason and what only a comparison found", async () => {
  const clock = new ManualClock();
  const activity = new Activity(clock);
  activity.told(changes("notify"));
  activity.told(changes("rescan", 3));
  activity.told(resync("overflow"));
  await clock.advance(30 * 60_000);
  activity.told(resync("overflow"));
  activity.told(resync("takeover"));
  expect(activity.summary()).toEqual({
    lastChange: "2026-01-01T00:00:00.000Z",
    resyncs: { overflow: 2, takeover: 1 },
    found: 3,
  });

  // The first half hour has left the window, the second has not.
  await clock.advance(31 * 60_000);
  expect(activity.summary()).toMatchObject({ resyncs: { overflow: 1, takeover: 1 }, found: 0 });
  await clock.advance(60 * 60_000);
  expect(activity.summary()).toEqual({ lastChange: "2026-01-01T00:00:00.000Z", resyncs: {}, found: 0 });
});
