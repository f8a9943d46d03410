import { expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { mirrorShare } from "../../../src/share/direct-mirror.ts";
import type { ReadyOptions } from "../../../src/watch/ready-options.ts";
import { ShareWatcher } from "../../../src/watch/share-watcher.ts";
import { HeldShare } from "../../support/fakes/held-share.ts";

const ONLY: ReadyOptions = { quietMs: 500, only: true };

it.each([
  ["of the share", { ready: ONLY }, {}],
  ["of its own", {}, { ready: ONLY }],
])("a mirror follows every change, whatever `only` says %s", async (_whose, ofShare, ofMirror) => {
  const clock = new ManualClock();
  const share = new HeldShare({ clock, latencyMs: 0, lagMs: 0 });
  share.mkdir("/in");
  share.write("/in/before", 1);
  const watcher = new ShareWatcher(share, ofShare, { clock, random: () => 0.5 });
  const actions: string[] = [];
  watcher.watch(
    { path: "/in", recursive: false },
    (event) => event.type === "changes" && actions.push(...event.changes.map(({ action }) => action)),
    { ready: ONLY },
  );
  const mirror = mirrorShare(watcher, "/in", { ...ofMirror, clock });
  const heard: string[] = [];
  mirror.on("change", (change) => {
    if (change.type === "changes") heard.push(...change.changes.map(({ action }) => action));
  });
  await clock.advance(100);
  await mirror.ready;
  share.write("/in/after", 2);
  share.remove("/in/before");
  await clock.advance(5_000);
  expect(mirror.entries().map(({ name }) => name)).toEqual(["after"]);
  // Files that are ready are told besides, and say nothing about names.
  expect(heard).toEqual(expect.arrayContaining(["added", "removed", "ready"]));
  // Who asked for these alone is told these alone.
  expect(new Set(actions)).toEqual(new Set(["ready"]));
  const closing = Promise.all([mirror.close(), watcher.close()]);
  await clock.advance(60_000);
  await closing;
});
