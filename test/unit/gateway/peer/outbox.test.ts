import fc from "fast-check";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import type { DirectoryEvent } from "../../../../src/gateway/hub/event.ts";
import { resolveLimits, resolveTimes } from "../../../../src/gateway/options.ts";
import { type FrameSink, Outbox } from "../../../../src/gateway/peer/outbox.ts";
import type { Addressee } from "../../../../src/gateway/peer/pending.ts";
import { Pressure } from "../../../../src/gateway/peer/pressure.ts";
import type { DirectoryChangedFrame } from "../../../../src/gateway/peer/protocol.ts";

type Offered = Exclude<DirectoryEvent, { type: "state" }>;

class Sink implements FrameSink {
  readonly frames: DirectoryChangedFrame[] = [];
  bufferedAmount: number = 0;
  send(text: string): void {
    this.frames.push(JSON.parse(text) as DirectoryChangedFrame);
  }
}

const addressee = (more: Partial<Addressee> = {}): Addressee => ({
  connectionId: "nas1",
  path: "/a",
  directory: "/a",
  recursive: false,
  detail: false,
  ...more,
});

let serial = 0;
function changes(
  names: string[],
  more: { directory?: string; epoch?: string; via?: "notify" | "rescan" } = {},
): Offered {
  const { directory = "/a", epoch = "e1", via = "notify" } = more;
  const seq = ++serial;
  return {
    type: "changes",
    directory,
    cursor: `s:${seq}`,
    body: {
      connection: "nas1",
      path: directory,
      epoch,
      seq,
      time: new Date(0).toISOString(),
      via,
      changes: names.map((name) => ({ action: "modified", name })),
    },
  };
}
const resync = (reason: "overflow" | "reconnect" = "overflow"): Offered => ({
  type: "resync",
  directory: "/a",
  scope: "self",
  reason,
  cursor: `s:${++serial}`,
});

describe("the outbox", () => {
  let clock: ManualClock;
  let sink: Sink;
  let hopeless: number;
  let outbox: Outbox;
  let pressure: Pressure;
  const make = (limits: object = {}): Outbox =>
    new Outbox({
      sink,
      clock,
      limits: resolveLimits(limits),
      times: resolveTimes(),
      pressure,
      onHopeless: () => {
        hopeless++;
      },
    });
  beforeEach(() => {
    clock = new ManualClock();
    pressure = new Pressure(clock);
    sink = new Sink();
    hopeless = 0;
    serial = 0;
    outbox = make();
  });
  const names = (): string[] => sink.frames.flatMap((frame) => (frame.changes ?? []).map(({ name }) => name));

  it("makes the text of one change once for all who asked in the same words", () => {
    const stringify = vi.spyOn(JSON, "stringify");
    try {
      const event = changes(["1", "2"]);
      for (let reader = 0; reader < 100; reader++) make().offer(addressee({ detail: true }), event);
      expect(stringify).toHaveBeenCalledTimes(1);
      make().offer(addressee({ detail: false }), event);
      make().offer(addressee({ path: "a/", detail: true }), event);
      // Of a tree, too, for all to whom nothing is still owed: what they resume from is the same.
      for (let reader = 0; reader < 100; reader++) make().offer(addressee({ recursive: true }), event);
      expect(stringify).toHaveBeenCalledTimes(4);
      expect(
        sink.frames.slice(99, 103).map(({ path, changes, directory }) => [path, changes?.length, directory]),
      ).toEqual([
        ["/a", 2, undefined],
        ["/a", undefined, undefined],
        ["a/", 2, undefined],
        ["/a", undefined, "/a"],
      ]);
    } finally {
      stringify.mockRestore();
    }
  });

  it("sends the first at once, then one per window, and the last always", async () => {
    const to = addressee();
    outbox.offer(to, changes(["1"]));
    expect(sink.frames).toHaveLength(1);
    outbox.offer(to, changes(["2"]));
    outbox.offer(to, changes(["3"]));
    await clock.advance(249);
    expect(sink.frames).toHaveLength(1);
    await clock.advance(1);
    expect(sink.frames.map(({ cursor }) => cursor)).toEqual(["s:1", "s:3"]);
    outbox.offer(to, changes(["4"]));
    await clock.advance(249);
    expect(sink.frames).toHaveLength(2);
    await clock.advance(1);
    expect(sink.frames.map(({ cursor }) => cursor)).toEqual(["s:1", "s:3", "s:4"]);
  });

  it("the first news of a name waits for nothing, what follows for its window, and the order stays", async () => {
    const to = addressee({ detail: true });
    outbox.offer(to, changes(["a"]));
    outbox.offer(to, changes(["a"]));
    expect(names()).toEqual(["a"]);
    outbox.offer(to, changes(["b"]));
    expect(names()).toEqual(["a", "a", "b"]);
    outbox.offer(to, changes(["b"]));
    await clock.advance(99);
    expect(names()).toHaveLength(3);
    await clock.advance(1);
    expect(names()).toEqual(["a", "a", "b", "b"]);
  });

  it("a burst of names is gathered all the same", async () => {
    const to = addressee({ detail: true });
    for (let n = 0; n < 1_000; n++) outbox.offer(to, changes([`${n}`]));
    expect(sink.frames.length).toBeLessThan(10);
    await clock.advance(100);
    expect(names()).toHaveLength(1_000);
    expect(sink.frames.length).toBeLessThan(12);
  });

  it("windows are as long as the subscriber wants them, side by side, down to none", async () => {
    const [none, long] = [0, 5_000].map((windowMs) =>
      addressee({ path: `/${windowMs}`, directory: `/${windowMs}`, detail: true, windowMs }),
    ) as [Addressee, Addressee];
    const usual = addressee({ detail: true });
    for (const to of [long, usual, none]) for (let n = 0; n < 3; n++) outbox.offer(to, changes(["x"]));
    const told = (): number[] =>
      [none, usual, long].map(
        ({ path }) =>
          sink.frames.filter((frame) => frame.path === path).flatMap((frame) => frame.changes ?? []).length,
      );
    expect(told()).toEqual([3, 1, 1]);
    await clock.advance(100);
    expect(told()).toEqual([3, 3, 1]);
    await clock.advance(4_899);
    expect(told()).toEqual([3, 3, 1]);
    await clock.advance(1);
    expect(told()).toEqual([3, 3, 3]);
    await clock.advance(5_000);
    expect([outbox.open, clock.pending]).toEqual([0, 0]);
  });

  it("while much is told over all sockets, windows are wide and nothing is told before them", async () => {
    const readers = Array.from({ length: 2_000 }, () => make());
    const to = addressee({ detail: true });
    for (const reader of readers) reader.offer(to, changes(["a"]));
    const before = sink.frames.length;
    outbox.offer(to, changes(["a"]));
    outbox.offer(to, changes(["b"]));
    await clock.advance(249);
    expect(sink.frames.length - before).toBe(1);
    await clock.advance(1);
    expect(sink.frames.length - before).toBe(2);
    await clock.advance(1_000);
    const quiet = sink.frames.length;
    for (const name of ["c", "d", "e"]) outbox.offer(to, changes([name]));
    expect(sink.frames.length - quiet).toBe(3);
  });

  it("forgets quiet directories, and leaves no timer behind", async () => {
    outbox.offer(addressee(), changes(["1"]));
    expect([outbox.open, clock.pending]).toEqual([1, 1]);
    await clock.advance(250);
    expect([outbox.open, clock.pending]).toEqual([0, 0]);
  });

  it("keeps directories apart", async () => {
    outbox.offer(addressee(), changes(["1"]));
    outbox.offer(addressee({ path: "/b", directory: "/b" }), changes(["2"], { directory: "/b" }));
    const tree = addressee({ recursive: true });
    outbox.offer(tree, changes(["3"], { directory: "/a/x" }));
    outbox.offer(tree, changes(["4"], { directory: "/a/y" }));
    outbox.offer(tree, changes(["5"], { directory: "/a/y" }));
    expect(sink.frames.map((frame) => [frame.path, frame.directory])).toEqual([
      ["/a", undefined],
      ["/b", undefined],
      ["/a", "/a/x"],
      ["/a", "/a/y"],
    ]);
    await clock.advance(250);
    expect(sink.frames).toHaveLength(5);
  });

  it("with detail names every change, in one list where the epoch is one", async () => {
    const to = addressee({ detail: true });
    outbox.offer(to, changes(["1", "2", "3"]));
    for (const name of ["2", "3"]) outbox.offer(to, changes([name]));
    outbox.offer(to, changes(["1"], { via: "rescan" }));
    await clock.advance(250);
    expect(
      sink.frames.map(({ changes: list, seq, via }) => [list?.map(({ name }) => name), seq, via]),
    ).toEqual([
      [["1", "2", "3"], 1, "notify"],
      [["2", "3"], 3, "notify"],
      [["1"], 4, "rescan"],
    ]);
  });

  it("keeps a resync, and its place among the changes", async () => {
    const to = addressee({ detail: true });
    outbox.offer(to, changes(["1"]));
    outbox.offer(to, changes(["2"]));
    outbox.offer(to, resync());
    outbox.offer(to, resync("reconnect"));
    outbox.offer(to, changes(["3"], { epoch: "e2" }));
    await clock.advance(250);
    expect(sink.frames.map((frame) => frame.reason ?? frame.changes?.[0]?.name)).toEqual([
      "1",
      "2",
      "reconnect",
      "3",
    ]);
    const plain = addressee({ path: "/p" });
    outbox.offer(plain, changes(["1"]));
    outbox.offer(plain, resync());
    outbox.offer(plain, changes(["2"]));
    await clock.advance(250);
    expect(sink.frames.at(-1)).toMatchObject({
      path: "/p",
      resync: true,
      reason: "overflow",
      cursor: `s:${serial}`,
    });
  });

  it("holds back from a slow reader, and loses nothing when it recovers", async () => {
    const to = addressee({ detail: true });
    sink.bufferedAmount = 10_000_000;
    outbox = make({ bufferBytes: 20_000_000, softBufferBytes: 1_000 });
    outbox.offer(to, changes(["1"]));
    await clock.advance(1_000);
    outbox.offer(to, changes(["2"]));
    await clock.advance(1_000);
    expect(sink.frames).toHaveLength(0);
    sink.bufferedAmount = 0;
    await clock.advance(250);
    expect(names()).toEqual(["1", "2"]);
    expect(hopeless).toBe(0);
  });

  it("tells a slow reader to list again when too much waits, once per subscription", async () => {
    outbox = make({ bufferBytes: 20_000_000, softBufferBytes: 1_000, pendingChanges: 10 });
    sink.bufferedAmount = 2_000;
    const to = addressee({ detail: true });
    const tree = addressee({ path: "/t", directory: "/t", recursive: true });
    for (let n = 0; n < 3; n++) outbox.offer(tree, changes(["t"], { directory: `/t/${n}` }));
    for (let n = 0; n < 9; n++) outbox.offer(to, changes([`${n}`]));
    sink.bufferedAmount = 0;
    await clock.advance(500);
    const told = sink.frames.filter(({ reason }) => reason === "slow-consumer");
    expect(told.map(({ path, scope }) => [path, scope]).sort()).toEqual([
      ["/a", "self"],
      ["/t", "subtree"],
    ]);
  });

  it("sends a burst early to a reader that takes it, whole", async () => {
    outbox = make({ pendingChanges: 10 });
    const to = addressee({ detail: true });
    for (let n = 0; n < 100; n++) outbox.offer(to, changes([`${n}`]));
    expect(sink.frames.length).toBeLessThan(20);
    await clock.advance(250);
    expect(names()).toEqual(Array.from({ length: 100 }, (_, n) => `${n}`));
  });

  it("cuts what waits into frames of a bounded length", async () => {
    const to = addressee({ detail: true });
    const many = Array.from({ length: 600 }, (_, n) => `${n}`);
    for (let n = 0; n < 4; n++) outbox.offer(to, changes(many));
    await clock.advance(250);
    expect(sink.frames.map(({ changes: list }) => list?.length)).toEqual([600, 600, 600, 600]);
  });

  it("gives up on a reader that stays behind", async () => {
    outbox = make({ bufferBytes: 20_000_000, softBufferBytes: 1_000, slowReaderMs: 5_000 });
    sink.bufferedAmount = 2_000;
    outbox.offer(addressee(), changes(["1"]));
    await clock.advance(4_900);
    expect(hopeless).toBe(0);
    await clock.advance(400);
    expect(hopeless).toBe(1);
    outbox.offer(addressee(), changes(["2"]));
    await clock.advance(10_000);
    expect([sink.frames.length, hopeless, clock.pending]).toEqual([0, 1, 0]);
  });

  it("gives up at once beyond the last limit", () => {
    sink.bufferedAmount = 2_000_000;
    outbox.send({ type: "pong" });
    expect(hopeless).toBe(1);
  });

  it("drops what waits for a subscription that ended", async () => {
    const to = addressee();
    outbox.offer(to, changes(["1"]));
    outbox.offer(to, changes(["2"]));
    outbox.forget(to);
    await clock.advance(1_000);
    expect(sink.frames).toHaveLength(1);
  });

  it("property: a client that resumes from the last cursor it was given misses nothing", async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("change" as const), dir: fc.integer({ min: 0, max: 4 }) }),
      fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 300 }) }),
      fc.record({ kind: fc.constant("slow" as const), slow: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 2, max: 40 }),
        async (steps, limit) => {
          clock = new ManualClock();
          pressure = new Pressure(clock);
          sink = new Sink();
          serial = 0;
          outbox = make({
            bufferBytes: 20_000_000,
            softBufferBytes: 1_000,
            pendingChanges: limit,
            slowReaderMs: 1e9,
          });
          const tree = addressee({ path: "/", directory: "/", recursive: true, detail: true });
          for (const each of steps) {
            if (each.kind === "wait") await clock.advance(each.ms);
            else if (each.kind === "slow") sink.bufferedAmount = each.slow ? 2_000 : 0;
            else outbox.offer(tree, changes([`${serial + 1}`], { directory: `/${each.dir}` }));
            // Cut off here: everything up to the cursor must have been told, or covered by a resync.
            const cursor = sink.frames.map((frame) => frame.cursor).findLast((given) => given !== undefined);
            const covered = sink.frames.some((frame) => frame.resync === true);
            const told = new Set(names());
            for (let n = 1; !covered && n <= Number(cursor?.slice(2) ?? 0); n++)
              expect(told).toContain(`${n}`);
          }
          sink.bufferedAmount = 0;
          await clock.advance(1_000);
          if (serial > 0) expect(sink.frames.at(-1)?.cursor).toBe(`s:${serial}`);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("property: every change arrives in order, or a resync covers it; never more than a window's frames", async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("change" as const), dir: fc.integer({ min: 0, max: 2 }) }),
      fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 400 }) }),
      fc.record({ kind: fc.constant("slow" as const), slow: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 2, max: 40 }),
        async (steps, limit) => {
          clock = new ManualClock();
          pressure = new Pressure(clock);
          sink = new Sink();
          outbox = make({
            bufferBytes: 20_000_000,
            softBufferBytes: 1_000,
            pendingChanges: limit,
            slowReaderMs: 1e9,
          });
          const subscribers = [0, 1, 2].map((n) =>
            addressee({ path: `/${n}`, directory: `/${n}`, detail: true }),
          );
          const offered: string[][] = [[], [], []];
          let n = 0;
          for (const each of steps) {
            if (each.kind === "wait") await clock.advance(each.ms);
            else if (each.kind === "slow") sink.bufferedAmount = each.slow ? 2_000 : 0;
            else {
              offered[each.dir]?.push(`${++n}`);
              outbox.offer(
                subscribers[each.dir] as Addressee,
                changes([`${n}`], { directory: `/${each.dir}` }),
              );
            }
          }
          sink.bufferedAmount = 0;
          await clock.advance(1_000);
          for (const [dir, all] of offered.entries()) {
            // Read from the end: a resync covers everything before it, what follows it must be complete.
            const frames = sink.frames.filter(({ path }) => path === `/${dir}`);
            const last = frames.map(({ resync: again }) => again === true).lastIndexOf(true);
            const told = frames
              .slice(last + 1)
              .flatMap(({ changes: list }) => (list ?? []).map(({ name }) => name));
            expect(told).toEqual(last < 0 ? all : all.slice(all.length - told.length));
            const before = frames
              .slice(0, last + 1)
              .flatMap(({ changes: list }) => (list ?? []).map(({ name }) => name));
            expect(all.slice(0, before.length + told.length)).toEqual(expect.arrayContaining(before));
          }
          expect(clock.pending).toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });
});
