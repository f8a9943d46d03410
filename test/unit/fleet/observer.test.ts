import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { LeaseObserver } from "../../../src/fleet/observer.ts";

const TTL = 15_000;

function observer() {
  const clock = new ManualClock();
  const it = new LeaseObserver({ clock, ownLease: "me", ownTtlMs: TTL, graceMs: 3_000 });
  let revision = 100;
  /** Renews our own lease every 5 s while time passes. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 5_000) {
      await clock.advance(Math.min(5_000, left));
      it.saw("me", ++revision, TTL);
    }
  };
  it.saw("me", ++revision, TTL);
  return { clock, observer: it, pass };
}

describe("LeaseObserver", () => {
  it("judges a lease dead after TTL and grace without a new revision", async () => {
    const { observer: it, pass } = observer();
    it.saw("other", 1, TTL);
    await pass(15_000);
    it.saw("other", 1, TTL);
    expect(it.dead()).toEqual([]);
    await pass(5_000);
    expect(it.dead()).toEqual([{ lease: "other", revision: 1 }]);
  });

  it("sees each renewal as a sign of life", async () => {
    const { observer: it, pass } = observer();
    for (let revision = 1; revision < 10; revision++) {
      it.saw("other", revision, TTL);
      await pass(15_000);
      expect(it.dead()).toEqual([]);
    }
  });

  it("knows how long another has been silent", async () => {
    const { observer: it, pass } = observer();
    expect(it.silentMs("other")).toBeUndefined();
    it.saw("other", 1, TTL);
    await pass(5_000);
    expect(it.silentMs("other")).toBe(5_000);
    it.saw("other", 2, TTL);
    expect(it.silentMs("other")).toBe(0);
    it.gone("other");
    expect(it.silentMs("other")).toBeUndefined();
  });

  it("judges nobody while its own echo is stale", async () => {
    const { clock, observer: it } = observer();
    it.saw("other", 1, TTL);
    await clock.advance(60_000);
    expect(it.fresh).toBe(false);
    expect(it.dead()).toEqual([]);
  });

  it("begins anew when the echo comes back after a silence", async () => {
    const { clock, observer: it, pass } = observer();
    it.saw("other", 1, TTL);
    await clock.advance(60_000);
    it.saw("me", 1_000, TTL);
    expect(it.dead()).toEqual([]);
    await pass(15_000);
    expect(it.dead()).toEqual([]);
  });

  it("gives peers time to come back after an outage, be they slower than we were", async () => {
    const { clock, observer: it, pass } = observer();
    it.saw("other", 1, TTL);
    await clock.advance(60_000);
    it.restart();
    it.saw("me", 1, TTL);
    await pass(18_000);
    await clock.advance(1_900);
    expect(it.dead()).toEqual([]);
    await clock.advance(200);
    expect(it.dead()).toEqual([{ lease: "other", revision: 1 }]);
  });

  it("restarts all timers with the watch", async () => {
    const { observer: it, pass } = observer();
    it.saw("other", 1, TTL);
    await pass(15_000);
    it.restart();
    expect(it.fresh).toBe(false);
    await pass(15_000);
    expect(it.dead()).toEqual([]);
    await pass(10_000);
    expect(it.dead()).toEqual([{ lease: "other", revision: 1 }]);
  });

  it("forgets a lease that is gone, and says when to look again", async () => {
    const { observer: it, pass } = observer();
    expect(it.nextJudgementMs()).toBeUndefined();
    it.saw("other", 1, TTL);
    expect(it.nextJudgementMs()).toBe(18_000);
    await pass(30_000);
    it.gone("other");
    expect(it.dead()).toEqual([]);
  });
});
