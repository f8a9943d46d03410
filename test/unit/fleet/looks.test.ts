import { describe, expect, it } from "vitest";
import { deferred } from "../../../src/base/async.ts";
import { ManualClock } from "../../../src/base/clock.ts";
import { FleetError } from "../../../src/fleet/errors.ts";
import { FreshLooks } from "../../../src/fleet/looks.ts";
import { MemberRef } from "../../../src/fleet/member-ref.ts";
import type { RefState } from "../../../src/fleet/port.ts";

const target = { connection: "nas1", path: "/d", recursive: false };
const gone: RefState = { state: "gone", mode: "notify", code: "not_found" };

describe("a fresh look", () => {
  it("is shared by those who ask before it begins, and by nobody later", async () => {
    const clock = new ManualClock();
    const answers = [deferred<void>(), deferred<void>()];
    let asked = 0;
    const looks = new FreshLooks(async () => answers[asked++]?.promise, clock);
    const first = [looks.look(target), looks.look(target)];
    await clock.advance(0);
    const later = [looks.look(target), looks.look(target)];
    expect(asked).toBe(1);
    answers[0]?.reject(new FleetError("not_found", "gone"));
    for (const look of first) await expect(look).rejects.toMatchObject({ failure: "not_found" });
    await clock.advance(199);
    expect(asked).toBe(1);
    await clock.advance(1);
    expect(asked).toBe(2);
    answers[1]?.resolve();
    await Promise.all(later);
    await clock.advance(200);
    expect(clock.pending).toBe(0);
  });

  it("leaves it to the watch where no worker answers, or answers something else", async () => {
    const clock = new ManualClock();
    for (const ask of [
      () => deferred<void>().promise,
      async () => Promise.reject(new FleetError("limit", "busy")),
    ]) {
      const looks = new FreshLooks(ask, clock);
      const look = looks.look(target);
      await clock.advance(5_000);
      await look;
      looks.close();
    }
  });
});

describe("a ref of a directory that is remembered as lost", () => {
  const ref = (look: () => Promise<void>): { ref: MemberRef; clock: ManualClock; heard: string[] } => {
    const clock = new ManualClock();
    const made = new MemberRef(target, { release: () => undefined, forget: () => undefined, look, clock });
    const heard: string[] = [];
    made.onState(({ state }) => heard.push(state));
    made.verify();
    made.update(gone);
    return { ref: made, clock, heard };
  };

  it("says so once a look has found the same", async () => {
    const look = deferred<void>();
    const { ref: made, clock, heard } = ref(() => look.promise);
    await clock.advance(100);
    expect([made.state.state, heard]).toEqual(["unclaimed", []]);
    look.reject(new FleetError("denied", "no right"));
    await expect(made.ready).rejects.toMatchObject({ failure: "denied" });
    expect(heard).toEqual(["denied"]);
  });

  it("waits for the watch to notice that the directory is there, and for no longer than it should", async () => {
    const there = ref(async () => undefined);
    await there.clock.advance(1_000);
    there.ref.update(gone);
    there.ref.update({ state: "live", mode: "notify" });
    await there.ref.ready;
    // From then on it is told as it comes.
    there.ref.update(gone);
    expect(there.heard).toEqual(["live", "gone"]);
    const stuck = ref(async () => undefined);
    await stuck.clock.advance(10_000);
    await expect(stuck.ref.ready).rejects.toMatchObject({ failure: "not_found" });
    expect([stuck.clock.pending, there.clock.pending]).toEqual([0, 0]);
  });
});
