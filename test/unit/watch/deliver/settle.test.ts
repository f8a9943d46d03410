import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { Settler } from "../../../../src/watch/deliver/settle.ts";
import type { Change, WatchEvent } from "../../../../src/watch/events.ts";

function bench(settleMs = 100): {
  clock: ManualClock;
  settler: Settler;
  told: WatchEvent[];
  say(...changes: Change[]): void;
} {
  const clock = new ManualClock();
  const told: WatchEvent[] = [];
  let number = 0;
  const settler = new Settler((event) => told.push(event), { settleMs, clock, number: () => ++number });
  return {
    clock,
    settler,
    told,
    say: (...changes) => settler.push({ type: "changes", path: "/d", via: "notify", changes }, ++number),
  };
}

const changesOf = (events: readonly WatchEvent[]): Change[] =>
  events.flatMap((event) => (event.type === "changes" ? event.changes : []));

describe("settling", () => {
  it("tells a file once, when it has been quiet long enough", async () => {
    const { clock, settler, told, say } = bench();
    say({ action: "added", name: "a", type: "file", size: 1 });
    await clock.advance(60);
    say({ action: "modified", name: "a", type: "file", size: 2 });
    await clock.advance(60);
    expect(told).toEqual([]);
    await clock.advance(40);
    expect(changesOf(told)).toEqual([{ action: "added", name: "a", settled: true }]);
    expect([settler.size, clock.pending]).toEqual([0, 0]);
  });

  it("holds neither directories nor what could not be looked at", () => {
    const { told, say } = bench();
    say({ action: "added", name: "d", type: "directory" }, { action: "added", name: "gone already" });
    expect(changesOf(told).map(({ name }) => name)).toEqual(["d", "gone already"]);
  });

  it("does not forget that a file was added when nobody can look at it any more", () => {
    const { told, say } = bench();
    say({ action: "added", name: "a", type: "file" });
    say({ action: "modified", name: "a" });
    expect(changesOf(told)).toEqual([{ action: "added", name: "a" }]);
  });

  it("tells what is due in its turn, unless something else was said of it before, under numbers of when it was due", async () => {
    const told: string[] = [];
    let number = 0;
    let turn: (() => void) | undefined;
    const clock = new ManualClock();
    const settler = new Settler(
      (event, of) => told.push(`${of}: ${changesOf([event]).map(({ action, name }) => `${action} ${name}`)}`),
      { settleMs: 100, clock, number: () => ++number, inTurn: (tell) => (turn = tell) },
    );
    const say = (of: number, ...changes: Change[]): void =>
      settler.push({ type: "changes", path: "/d", via: "notify", changes }, of);
    const file = (name: string): Change => ({ action: "added", name, type: "file" });
    say(1, file("a"), file("b"), file("c"), file("d"));
    // Four more are on their way through the stage before.
    number = 5;
    await clock.advance(100);
    expect([told, [...settler.withheld()]]).toEqual([[], []]);
    say(2, { action: "removed", name: "a" }, { action: "added", name: "e", type: "directory" });
    say(3, { action: "modified", name: "b", type: "file" });
    say(4, { action: "renamed", oldName: "c", name: "f" });
    expect([...settler.withheld()]).toEqual(["/d/b"]);
    say(5, { action: "modified", name: "g" });
    turn?.();
    expect(told).toEqual(["2: removed a,added e", "4: renamed f", "5: modified g", "6: added d"]);
    await clock.advance(100);
    turn?.();
    expect(told.slice(4)).toEqual(["7: added b,modified f"]);
    expect([settler.size, clock.pending]).toEqual([0, 0]);
  });

  it("takes nothing along that does not move with its directory", async () => {
    const { clock, settler, told, say } = bench();
    const changes: Change[] = [{ action: "added", name: "f", type: "file" }];
    settler.push({ type: "changes", path: "/d/x", via: "notify", changes }, 1);
    say({ action: "renamed", name: "y", oldName: "x", type: "directory", emptied: true });
    await clock.advance(1_000);
    expect(changesOf(told)).toEqual([{ action: "renamed", name: "y", oldName: "x", emptied: true }]);
  });

  it("tells a removal at once, instead of what was held", async () => {
    const { clock, told, say } = bench();
    say({ action: "added", name: "a", type: "file" });
    say({ action: "removed", name: "a" });
    await clock.advance(1_000);
    expect(changesOf(told)).toEqual([{ action: "removed", name: "a" }]);
  });

  it("tells a rename at once and the content when it is quiet", async () => {
    const { clock, told, say } = bench();
    say({ action: "added", name: "a.part", type: "file" });
    say({ action: "renamed", name: "a", oldName: "a.part", type: "file" });
    expect(changesOf(told)).toEqual([{ action: "renamed", name: "a", oldName: "a.part" }]);
    await clock.advance(100);
    expect(changesOf(told)[1]).toEqual({ action: "modified", name: "a", settled: true });
  });

  it("follows the files of a renamed directory", async () => {
    const { clock, settler, told, say } = bench();
    settler.push(
      {
        type: "changes",
        path: "/d/x",
        via: "notify",
        changes: [{ action: "modified", name: "f", type: "file" }],
      },
      1,
    );
    say({ action: "renamed", name: "y", oldName: "x", type: "directory" });
    await clock.advance(100);
    expect(told[1]).toEqual({
      type: "changes",
      path: "/d/y",
      via: "notify",
      changes: [{ action: "modified", name: "f", settled: true }],
    });
  });

  it("loses nothing: every name ends in its last state, every change is told after it happened", async () => {
    const name = fc.constantFrom("a", "b", "c");
    const change = fc.oneof(
      fc.record({
        action: fc.constantFrom("added" as const, "modified" as const),
        name,
        type: fc.constant("file" as const),
      }),
      fc.record({ action: fc.constant("removed" as const), name }),
      fc
        .record({ action: fc.constant("renamed" as const), name, oldName: name })
        .filter((one) => one.name !== one.oldName),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(change, fc.nat(150)), { maxLength: 20 }), async (history) => {
        const { clock, settler, told, say } = bench();
        const exists = new Map<string, boolean>();
        const touched = new Map<string, number>();
        const heard = new Map<string, number>();
        const told2 = new Map<string, boolean>();
        const hear = (): void => {
          for (const one of changesOf(told.splice(0))) {
            if (one.oldName !== undefined) told2.set(one.oldName, false);
            if (one.action !== "modified") told2.set(one.name, one.action !== "removed");
            heard.set(one.name, clock.monotonic());
          }
        };
        for (const [one, wait] of history) {
          if (one.action === "renamed") {
            exists.set(one.oldName, false);
            touched.delete(one.oldName);
          }
          if (one.action !== "modified") exists.set(one.name, one.action !== "removed");
          touched.set(one.name, clock.monotonic());
          say(one);
          hear();
          await clock.advance(wait);
          hear();
        }
        await clock.advance(1_000);
        hear();
        for (const [key, there] of exists) expect(told2.get(key), key).toBe(there);
        for (const [key, at] of touched) expect(heard.get(key) ?? -1, key).toBeGreaterThanOrEqual(at);
        expect([settler.size, clock.pending]).toEqual([0, 0]);
      }),
      { numRuns: 60 },
    );
  });
});
