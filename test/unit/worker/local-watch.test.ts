import { beforeEach, describe, expect, it } from "vitest";
import { deferred } from "../../../src/base/async.ts";
import { systemClock } from "../../../src/base/clock.ts";
import type { EventPublisher, WatchPublisher } from "../../../src/broker/port.ts";
import type { ReadyLedger, WatchOverrides, WatchSink } from "../../../src/watch/api.ts";
import type { PublicState, WatchEvent } from "../../../src/watch/events.ts";
import { SourceError } from "../../../src/watch/source.ts";
import { type WatchFact, watchFacts } from "../../../src/worker/facts.ts";
import { LocalWatch } from "../../../src/worker/local-watch.ts";
import type { ConnectionRuntime } from "../../../src/worker/runtime.ts";

const signal = new AbortController().signal;

let told: string[];
let sink: WatchSink;
let overrides: WatchOverrides | undefined;
let arming: ReturnType<typeof deferred<void>>;
let closedOutlets: (number | undefined)[];
let watch: LocalWatch;
let pokes: number;
let sure: boolean;
let handleState: PublicState;
let early: WatchEvent | undefined;
let make: () => LocalWatch;
let ready: ReadyLedger | undefined;

beforeEach(() => {
  told = [];
  closedOutlets = [];
  pokes = 0;
  sure = true;
  handleState = "live";
  early = undefined;
  ready = undefined;
  arming = deferred();
  const outlet = (epoch: string): WatchPublisher => ({
    epoch,
    position: undefined,
    mark: () => undefined,
    stored: async () => true,
    changes: (event) => told.push(`${epoch} ${event.changes.map(({ name }) => name).join()}`),
    resync: (event) => told.push(`${epoch} resync ${event.reason} ${event.scope}`),
    state: (event) => told.push(`${epoch} state ${event.state}`),
    flush: async () => undefined,
    close: async ({ flushMs } = {}) => {
      closedOutlets.push(flushMs);
      return flushMs !== undefined;
    },
  });
  const runtime: ConnectionRuntime = {
    name: "nas1",
    caseSensitive: false,
    sourceUrl: "smb://s/s",
    watches: {
      watch: (interest, given, options) => {
        sink = given;
        if (early !== undefined) given(early);
        overrides = options;
        return {
          interest,
          get state() {
            return handleState;
          },
          mode: "notify",
          live: arming.promise,
          get sure() {
            return sure;
          },
          get ready() {
            return ready;
          },
          close: async () => undefined,
        };
      },
      close: async () => undefined,
    },
    overrides: ({ path }) => (path === "/d" ? { stat: true } : undefined),
    list: async () => ({ entries: [] }),
    close: async () => undefined,
  };
  make = () =>
    new LocalWatch({
      key: "k",
      target: { connection: "nas1", path: "/d", recursive: true },
      runtime,
      publisher: { open: ({ epoch }) => outlet(epoch) } as EventPublisher,
      clock: systemClock,
      resyncTargets: () => [],
      onChange: () => pokes++,
    });
  watch = make();
});

const change = (name: string): void =>
  sink({ type: "changes", path: "/d", via: "notify", changes: [{ action: "added", name }] });
const arm = async (): Promise<void> => {
  arming.resolve();
  await arming.promise;
  await new Promise((resolve) => setImmediate(resolve));
};

describe("LocalWatch", () => {
  it("states how late appends are heard of, where files are told when they are ready", async () => {
    const facts: WatchFact[] = [];
    const off = watchFacts.subscribe((fact) => facts.push(fact));
    ready = {
      ...{ record: { waiting: [], told: [] }, only: false, undecided: 0, deferred: 0 },
      ...{ adopt: () => undefined, expect: () => undefined },
    };
    const state = { type: "state", path: "/d", state: "live", mode: "notify" } as const;
    sink({ ...state, late: { names: 120, contents: 600 } });
    ready = undefined;
    sink({ ...state, late: { names: 60, contents: 600 } });
    off();
    expect(facts.map(({ appendsLateS }) => appendsLateS)).toEqual([600, undefined]);
  });

  it("hears what is said before it is in hand, where others watch already", () => {
    const facts: WatchFact[] = [];
    const off = watchFacts.subscribe((fact) => facts.push(fact));
    early = { type: "state", path: "/d", state: "live", mode: "notify" };
    watch = make();
    off();
    expect([watch.state.state, pokes]).toEqual(["live", 1]);
    expect(facts.map(({ state }) => state)).toEqual(["live"]);
  });

  it("watches with the options of its own that the connection has for it", () => {
    expect(overrides).toEqual({ stat: true, openAudience: true, onWaiting: expect.any(Function) });
  });

  it("is starting until armed, then live, and says so", async () => {
    expect(watch.state.state).toBe("starting");
    await arm();
    expect(watch.state).toEqual({ state: "live", mode: "notify" });
    expect(pokes).toBe(1);
    expect(told).toEqual([]);
  });

  it("says what is wrong at the moment it becomes live", async () => {
    handleState = "degraded";
    sink({ type: "state", path: "/d", state: "degraded", mode: "notify", error: "/d/x: denied" });
    await arm();
    expect(watch.state).toEqual({ state: "degraded", mode: "notify", error: "/d/x: denied" });
  });

  it("opens with a resync that covers what was buffered", async () => {
    await arm();
    change("a");
    await watch.open("e1", "takeover", signal);
    change("b");
    expect(told).toEqual(["e1 resync takeover subtree", "e1 state live", "e1 b"]);
  });

  it("tells what was buffered instead when the former owner has waited for it", async () => {
    await arm();
    watch.bridge();
    change("a");
    await watch.open("e1", undefined, signal);
    change("b");
    expect(told).toEqual(["e1 a", "e1 state live", "e1 b"]);
  });

  it("does not take a clean hand-over on trust: without a bridge it resyncs", async () => {
    await arm();
    change("a");
    await watch.open("e1", undefined, signal);
    expect(told[0]).toBe("e1 resync takeover subtree");
  });

  it("cannot be bridged before it is live", async () => {
    watch.bridge();
    await arm();
    await watch.open("e1", undefined, signal);
    expect(told[0]).toBe("e1 resync takeover subtree");
  });

  it("falls back to a resync when the buffer overflows", async () => {
    await arm();
    watch.bridge();
    for (let i = 0; i < 10_001; i++) change(`${i}`);
    await watch.open("e1", undefined, signal);
    expect(told).toEqual(["e1 resync takeover subtree", "e1 state live"]);
  });

  it("owes the resync until it is live", async () => {
    arming.reject(new SourceError("gone", "no such directory"));
    await arming.promise.catch(() => undefined);
    await new Promise((resolve) => setImmediate(resolve));
    expect(watch.state).toMatchObject({ state: "gone", code: "not_found" });
    await watch.open("e1", "takeover", signal);
    expect(told).toEqual(["e1 state gone"]);
    sink({ type: "state", path: "/d", state: "live", mode: "notify" });
    expect(told).toEqual(["e1 state gone", "e1 resync takeover subtree", "e1 state live"]);
    expect(watch.state).toEqual({ state: "live", mode: "notify" });
  });

  it("keeps states of directories below apart from its own", async () => {
    await arm();
    await watch.open("e1", "takeover", signal);
    sink({ type: "state", path: "/d/sub", state: "denied", mode: "notify" });
    expect(watch.state.state).toBe("live");
    expect(told.at(-1)).toBe("e1 state denied");
  });

  it("hushes at once, and needs a resync afterwards", async () => {
    await arm();
    watch.bridge();
    await watch.open("e1", undefined, signal);
    watch.hush();
    expect(closedOutlets).toEqual([undefined]);
    change("unseen");
    expect(told).toEqual(["e1 state live"]);
    await watch.open("e2", undefined, signal);
    expect(told.slice(1)).toEqual(["e2 resync takeover subtree", "e2 state live"]);
  });

  it("does not let go cleanly while it waits for the server: a listing would have had more to tell", async () => {
    await arm();
    await watch.open("e1", "takeover", signal);
    sink({ type: "state", path: "/d", state: "unreachable", mode: "notify" });
    expect(await watch.letGo(1_000)).toMatchObject({ clean: false });
  });

  it.each([
    [false, false],
    [true, true],
  ])(
    "lets go cleanly of a watch that is sure of itself (%s): its successor has listed in silence",
    async (is, clean) => {
      await arm();
      await watch.open("e1", "takeover", signal);
      sure = is;
      expect(await watch.letGo(1_000)).toMatchObject({ clean });
    },
  );

  it("lets go cleanly only of what was published, and is deaf afterwards", async () => {
    await arm();
    await watch.open("e1", "takeover", signal);
    expect(await watch.letGo(1_000)).toMatchObject({ clean: true });
    expect(closedOutlets).toEqual([1_000]);
    const before = told.length;
    change("late");
    expect(told).toHaveLength(before);
    await watch.close();
  });
});
