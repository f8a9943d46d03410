import { sleep, waitFor } from "../base/async.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import type { LocalState } from "./local-state.ts";
import type { ConnectionRuntime } from "./runtime.ts";

export interface ReachOptions {
  /** Watches run here, as they are now. */
  readonly watches: () => Iterable<{ readonly connection: string; readonly state: LocalState["state"] }>;
  readonly connection: (name: string) => ConnectionRuntime | undefined;
  /** `denied` has changed. Must not throw. */
  readonly onChange: () => void;
  /** How long every watch of a connection must have been out of reach, ms. Default 30,000. */
  readonly afterMs?: number;
  /** Between attempts to reach a denied connection again, ms. Default 30,000. */
  readonly probeMs?: number;
  /** Between looks, ms. Default 2,000. */
  readonly everyMs?: number;
  readonly clock?: Clock;
}

const PROBE_DEADLINE_MS = 15_000;

/**
 * Which connections this worker cannot reach, so that its watches on them may move to workers that can. Slow to
 * judge, for a server that restarts is out of everyone's reach for a while, and to take a judgement back it has to reach the
 * server again: by a watch that goes on trying, or by a listing of its own.
 */
export class Reach {
  readonly #options: ReachOptions;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  /** Connection -> monotonic time since when none of its watches reaches the server. */
  readonly #away = new Map<string, number>();
  /** Denied connection -> monotonic time of the next attempt. */
  readonly #denied = new Map<string, number>();
  readonly #loop: Promise<void>;

  constructor(options: ReachOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#loop = this.#run();
  }

  get denied(): readonly string[] {
    return [...this.#denied.keys()].sort();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { everyMs = 2_000 } = this.#options;
    while (!signal.aborted) {
      await sleep(everyMs, { signal, clock: this.#clock }).catch(() => undefined);
      if (signal.aborted) return;
      this.#look();
      await this.#probe();
    }
  }

  #look(): void {
    const { afterMs = 30_000, probeMs = 30_000 } = this.#options;
    const now = this.#clock.monotonic();
    const reached = new Map<string, boolean>();
    for (const { connection, state } of this.#options.watches()) {
      if (state === "starting") continue;
      reached.set(connection, (reached.get(connection) ?? false) || !this.#isAway(connection, state));
    }
    for (const name of this.#away.keys()) if (reached.get(name) !== false) this.#away.delete(name);
    for (const [name, any] of reached) {
      if (any) this.#allow(name);
      else {
        const since = this.#away.get(name) ?? now;
        this.#away.set(name, since);
        if (now - since >= afterMs && !this.#denied.has(name)) {
          this.#denied.set(name, now + probeMs);
          this.#options.onChange();
        }
      }
    }
    for (const name of this.#denied.keys()) {
      if (this.#options.connection(name) === undefined) this.#allow(name);
    }
  }

  #isAway(connection: string, state: LocalState["state"]): boolean {
    if (state === "denied") return this.#options.connection(connection)?.barred?.() ?? false;
    return state === "unreachable";
  }

  async #probe(): Promise<void> {
    const { probeMs = 30_000 } = this.#options;
    const { signal } = this.#stop;
    for (const [name, due] of [...this.#denied]) {
      const runtime = this.#options.connection(name);
      if (runtime === undefined || this.#clock.monotonic() < due) continue;
      this.#denied.set(name, this.#clock.monotonic() + probeMs);
      try {
        const listing = runtime.list({ path: "/", limit: 1 }, { signal });
        await waitFor(listing, {
          signal,
          deadlineMs: PROBE_DEADLINE_MS,
          clock: this.#clock,
          what: "a probe",
        });
        this.#allow(name);
      } catch {
        // Still out of reach, or refused: both leave the watches to others.
      }
    }
  }

  #allow(name: string): void {
    this.#away.delete(name);
    if (this.#denied.delete(name)) this.#options.onChange();
  }
}
