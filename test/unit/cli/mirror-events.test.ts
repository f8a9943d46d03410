import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { type MirrorEvent, mirrorEvents } from "../../../src/cli/compose/mirror-events.ts";
import { printEvent } from "../../../src/cli/compose/print-event.ts";
import { LiveMirror } from "../../../src/watch/mirror/mirror.ts";
import { fakeTerminal } from "./terminal.ts";

const SERVED = { path: "/d", recursive: true };

function mirror(fails?: Error): LiveMirror {
  return new LiveMirror({
    ...SERVED,
    caseSensitive: () => true,
    clock: new ManualClock(),
    take: async () => {
      if (fails !== undefined) throw fails;
      const directories = [
        { path: "/d", entries: [{ name: "x", type: "directory" } as const] },
        { path: "/d/x", entries: [{ name: "f\u001b[2J", type: "file", size: 3 } as const] },
      ];
      return { epoch: "n-1", told: 4, stored: true, servedBy: SERVED, directories };
    },
    failure: () => "final",
    onClose: () => undefined,
  });
}

describe("what `watch --mirror` prints", () => {
  it("is each directory of the snapshot, the last without `more`, then what changes", async () => {
    const live = mirror();
    const events = mirrorEvents(live);
    const first = events.next();
    live.renew("first");
    const position = { epoch: "n-1", told: 4 };
    const head = { type: "snapshot", reason: "first", position };
    expect((await first).value).toEqual({
      ...head,
      directory: "/d",
      entries: [{ name: "x", type: "directory" }],
      more: true,
    });
    const second = (await events.next()).value as MirrorEvent;
    expect(second).toEqual({
      ...head,
      directory: "/d/x",
      entries: [{ name: "f\u001b[2J", type: "file", size: 3 }],
    });
    live.hear({
      type: "changes",
      epoch: "n-1",
      told: 5,
      path: "/d",
      via: "notify",
      changes: [{ action: "added", name: "y" }],
    });
    expect((await events.next()).value).toMatchObject({
      type: "changes",
      path: "/d",
      changes: [{ action: "added", name: "y" }],
    });
    await events.return();
    const { context, stdout } = fakeTerminal();
    printEvent(context.out, second as Extract<MirrorEvent, { type: "snapshot" }>);
    expect(stdout.text).toContain("/d/x/f\\u{1b}[2J  3 bytes");
  });

  it("ends with the signal, also where nothing is told any more", async () => {
    const stop = new AbortController();
    const live = mirror();
    const events = mirrorEvents(live, stop.signal);
    const first = events.next();
    live.renew("first");
    await first;
    await events.next();
    const waiting = events.next();
    stop.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  it("ends with what cannot be mirrored", async () => {
    const live = mirror(new Error("too many"));
    const events = mirrorEvents(live);
    const first = events.next();
    live.renew("first");
    await expect(first).rejects.toThrow("too many");
  });
});
