import type { Clock } from "../base/clock.ts";
import type { WatchActivity } from "../fleet/activity.ts";
import type { WatchEvent } from "../watch/events.ts";

const MINUTE_MS = 60_000;
const HOUR_MINUTES = 60;

interface Minute {
  readonly minute: number;
  readonly resyncs: Map<string, number>;
  found: number;
}

/** What a watch told lately, for people: nothing depends on it. A watch that tells nothing costs nothing. */
export class Activity {
  readonly #clock: Clock;
  /** Unix ms. */
  #lastChange: number | undefined;
  /** Of the last hour, those in which something of note was told. */
  #minutes: Minute[] | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  told(event: WatchEvent): void {
    if (event.type === "changes") {
      this.#lastChange = this.#clock.now();
      if (event.via === "rescan") this.#minute().found += event.changes.length;
    } else if (event.type === "resync") {
      const { resyncs } = this.#minute();
      resyncs.set(event.reason, (resyncs.get(event.reason) ?? 0) + 1);
    }
  }

  /** `undefined` where there is nothing to say. */
  summary(): Omit<WatchActivity, "connection" | "path" | "recursive"> | undefined {
    this.#forget();
    if (this.#lastChange === undefined && this.#minutes === undefined) return undefined;
    const resyncs: Record<string, number> = {};
    let found = 0;
    for (const minute of this.#minutes ?? []) {
      found += minute.found;
      for (const [reason, count] of minute.resyncs) resyncs[reason] = (resyncs[reason] ?? 0) + count;
    }
    return {
      ...(this.#lastChange === undefined ? {} : { lastChange: new Date(this.#lastChange).toISOString() }),
      resyncs,
      found,
    };
  }

  #minute(): Minute {
    this.#forget();
    const minute = this.#now();
    this.#minutes ??= [];
    const last = this.#minutes.at(-1);
    if (last?.minute === minute) return last;
    const next: Minute = { minute, resyncs: new Map(), found: 0 };
    this.#minutes.push(next);
    return next;
  }

  #forget(): void {
    const oldest = this.#now() - HOUR_MINUTES;
    while (this.#minutes?.[0] !== undefined && this.#minutes[0].minute <= oldest) this.#minutes.shift();
    if (this.#minutes?.length === 0) this.#minutes = undefined;
  }

  #now(): number {
    return Math.floor(this.#clock.monotonic() / MINUTE_MS);
  }
}
