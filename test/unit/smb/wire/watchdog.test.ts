import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { DEFAULT_TIMEOUTS } from "../../../../src/smb/options.ts";
import { Keepalive } from "../../../../src/smb/wire/keepalive.ts";
import { Watchdog } from "../../../../src/smb/wire/watchdog.ts";

/** A clock whose timers can be late, as those of a suspended process are. */
class SleepyClock extends ManualClock {
  #offset = 0;

  override monotonic(): number {
    return super.monotonic() + this.#offset;
  }

  /** Time passes, and no timer notices. */
  sleep(ms: number): void {
    this.#offset += ms;
  }
}

describe("watchdog", () => {
  it("does not count the time in which this process slept", async () => {
    const clock = new SleepyClock();
    const seen: number[] = [];
    const watchdog = new Watchdog(clock, (now) => {
      seen.push(now);
      return 1_000;
    });
    watchdog.within(1_000);
    await clock.advance(1_000);
    clock.sleep(3_600_000);
    await clock.advance(1_000);
    await clock.advance(1_000);
    watchdog.stop();
    expect(seen).toEqual([1_000, 2_000, 3_000]);
    expect(clock.pending).toBe(0);
  });

  it("looks at the earliest moment asked for", async () => {
    const clock = new ManualClock();
    const seen: number[] = [];
    const watchdog = new Watchdog(clock, (now) => {
      seen.push(now);
      return 10_000;
    });
    watchdog.within(5_000);
    watchdog.within(8_000);
    watchdog.within(100);
    await clock.advance(9_000);
    expect(seen).toEqual([100]);
    expect(clock.pending).toBe(1);
    watchdog.stop();
    watchdog.within(1);
    expect(clock.pending).toBe(0);
  });
});

describe("keepalive", () => {
  function setUp(clock: ManualClock) {
    const log: string[] = [];
    const state = { busy: false };
    const keepalive = new Keepalive(clock, DEFAULT_TIMEOUTS, {
      dead: (error) => log.push(`dead ${clock.monotonic()} ${error.message}`),
      overdue: (now) => {
        if (state.busy) log.push(`overdue? ${now}`);
      },
      busy: () => state.busy,
      echo: () => {
        log.push(`echo ${clock.monotonic()}`);
        return new Promise(() => undefined);
      },
    });
    return { keepalive, log, state };
  }

  it("sends one ECHO after 10 s of silence and gives up after 30 s, not later", async () => {
    const clock = new ManualClock();
    const { keepalive, log } = setUp(clock);
    keepalive.start();
    await clock.advance(30_000);
    expect(log).toEqual(["echo 10000", "dead 30000 connection: the server was silent for 30000 ms"]);
    keepalive.stop();
    expect(clock.pending).toBe(0);
  });

  it("is content with any byte", async () => {
    const clock = new ManualClock();
    const { keepalive, log } = setUp(clock);
    keepalive.start();
    for (let second = 0; second < 120; second += 5) {
      await clock.advance(5_000);
      keepalive.heard(false, 1);
    }
    expect(log).toEqual([]);
    keepalive.stop();
  });

  it("gives up a frame whose rest never comes, though bytes trickle", async () => {
    const clock = new ManualClock();
    const { keepalive, log } = setUp(clock);
    keepalive.start();
    for (let second = 0; second < 40 && log.length === 0; second++) {
      await clock.advance(1_000);
      keepalive.heard(true, 0);
    }
    await clock.advance(10_000);
    expect(log.at(-1)).toMatch(/^dead \d+ the rest of a frame/);
    keepalive.stop();
  });

  it("is patient with a long stream of frames that never ends on a boundary", async () => {
    const clock = new ManualClock();
    const { keepalive, log } = setUp(clock);
    keepalive.start();
    for (let second = 0; second < 120; second++) {
      await clock.advance(1_000);
      keepalive.heard(true, 3);
    }
    expect(log).toEqual([]);
    keepalive.stop();
  });

  it("forgives our own stall instead of blaming the server", async () => {
    const clock = new SleepyClock();
    const { keepalive, log } = setUp(clock);
    keepalive.start();
    await clock.advance(9_000);
    clock.sleep(600_000);
    await clock.advance(1_000);
    expect(log).toEqual(["echo 610000"]);
    keepalive.heard(false, 1);
    await clock.advance(5_000);
    expect(log).toHaveLength(1);
    keepalive.stop();
  });

  it("wakes an idle connection only for ECHO, a busy one about once a second", async () => {
    const clock = new ManualClock();
    const { keepalive, log, state } = setUp(clock);
    keepalive.start();
    state.busy = true;
    keepalive.lookSoon();
    await clock.advance(3_000);
    expect(log).toEqual(["overdue? 1000", "overdue? 2000", "overdue? 3000"]);
    state.busy = false;
    keepalive.heard(false, 1);
    await clock.advance(5_000);
    expect(log).toHaveLength(3);
    keepalive.stop();
  });
});
