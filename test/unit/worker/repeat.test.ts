import { describe, expect, it } from "vitest";
import type { Change, WatchEvent } from "../../../src/watch/events.ts";
import { repeatable as repeatableHeard } from "../../../src/worker/repeat.ts";
import { Mirror } from "../../support/oracles/mirror.ts";

const changes = (path: string, ...list: Change[]): WatchEvent => ({
  type: "changes",
  path,
  via: "notify",
  changes: list,
});
const added = (name: string): Change => ({ action: "added", name });
const removed = (name: string): Change => ({ action: "removed", name });
const renamed = (oldName: string, name: string): Change => ({ action: "renamed", oldName, name });
const resync = (path: string): WatchEvent => ({ type: "resync", path, scope: "subtree", reason: "takeover" });

const repeatable = (events: readonly WatchEvent[], caseSensitive: boolean): WatchEvent[] =>
  repeatableHeard(
    events.map((event) => ({ event })),
    caseSensitive,
  ).map(({ event }) => event);

describe("repeatable", () => {
  it("leaves what only adds and modifies as it is", () => {
    const events = [changes("/a", added("x"), { action: "modified", name: "y" }), changes("/", added("b"))];
    expect(repeatable(events, false)).toEqual(events);
  });

  it("asks for a listing where names went or moved, of the topmost, and keeps the rest in order", () => {
    const state: WatchEvent = { type: "state", path: "/A/b", state: "live", mode: "notify" };
    expect(
      repeatable(
        [
          changes("/a/b", removed("x")),
          changes("/other", added("1")),
          changes("/A", renamed("c", "d")),
          changes("/a/c", added("y")),
          state,
          changes("/ab", added("2")),
        ],
        false,
      ),
    ).toEqual([resync("/A"), changes("/other", added("1")), state, changes("/ab", added("2"))]);
  });

  it("keeps the picture of a tree true when everything is told twice", async () => {
    const share: Record<string, { name: string; directory: boolean }[]> = {
      "/": [
        { name: "new", directory: true },
        { name: "old", directory: true },
      ],
      "/new": [{ name: "inside", directory: false }],
      "/old": [],
    };
    const told = [
      changes("/", removed("new")),
      changes("/old", added("gone-with-it")),
      changes("/", renamed("old", "new")),
      changes("/new", removed("gone-with-it")),
      changes("/", added("old")),
    ];
    const pictureAfter = async (again: readonly WatchEvent[]): Promise<string[]> => {
      const mirror = new Mirror({
        path: "/",
        recursive: true,
        now: () => 0,
        list: async (path) => share[path],
      });
      mirror.start();
      await mirror.idle();
      for (const event of again) mirror.apply(event);
      await mirror.idle();
      return [...mirror.paths().keys()].sort();
    };
    const truth = ["/new", "/new/inside", "/old"];
    // The picture is what it is after all has been told once; telling it as it was a second time breaks it.
    expect(await pictureAfter(told)).not.toEqual(truth);
    expect(await pictureAfter(repeatable(told, false))).toEqual(truth);
  });
});
