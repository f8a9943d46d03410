import type { Clock } from "../base/clock.ts";
import type { ResyncReason, WatchEvent } from "../watch/events.ts";
import type { ToldFile } from "../watch/ready/index.ts";
import { HeldReady } from "./held-ready.ts";
import { type Heard, repeatable } from "./repeat.ts";

/**
 * What was told to us this long before the owner is asked to let go, he has heard, too: he lets go only after the server
 * has answered him once more. A server tells two of its clients within moments of each other.
 */
const OVERLAP_MS = 1_000;

/** Events kept while another owner still publishes. Beyond, a resync takes their place. */
const MAX_BUFFERED = 10_000;

/**
 * What a watch has heard while it does not publish, and whether that joins up with what was published before: the seam
 * between two epochs. Where it does not, the next epoch owes a resync.
 */
export class Unpublished {
  readonly #clock: Clock;
  #buffer: (Heard & { readonly at: number })[] = [];
  readonly #ready = new HeldReady();
  /** What is buffered does not join up with what was published before. */
  #gap: boolean;
  /** Not yet told anything of its own: what it finds joins up with what a former owner told. */
  #inherits: boolean;

  /** `inherits`: the watch begins with what a former owner has told. */
  constructor(clock: Clock, inherits: boolean) {
    this.#clock = clock;
    this.#inherits = inherits;
    this.#gap = !inherits;
  }

  get inherits(): boolean {
    return this.#inherits;
  }

  /** @param told - see `WatchSink` */
  hear(event: WatchEvent, told: number | undefined): void {
    if (this.#buffer.length + this.#ready.size < MAX_BUFFERED) {
      const rest = this.#ready.keep(event, told);
      if (rest !== undefined) this.#buffer.push({ at: this.#clock.monotonic(), event: rest, told });
      return;
    }
    this.clear();
    this.#gap = true;
  }

  /**
   * The owner has been told that we are armed: from here on what we hear joins up with what it publishes. Where we are
   * `sure`, what we heard before, or were in doubt about, it has told, or will before it lets go.
   */
  bridge(sure: boolean): void {
    this.#gap = false;
    if (!sure) return;
    const since = this.#clock.monotonic() - OVERLAP_MS;
    this.#buffer = this.#buffer.filter(({ at, event }) => event.type !== "resync" && at >= since);
  }

  /** Somebody else speaks: what follows joins up with nothing of ours. */
  interrupted(): void {
    this.#inherits = false;
    this.#gap = true;
  }

  /** An epoch begins: the resync that it owes, wanted as `resync` or not; and what is to be told where it owes none. */
  take(
    resync: ResyncReason | undefined,
    { recursive, caseSensitive }: { readonly recursive: boolean; readonly caseSensitive: boolean },
  ): { readonly owed: ResyncReason | undefined; readonly events: readonly Heard[] } {
    // After a hand-over the former owner has told some of it already.
    const repeats = recursive && resync === undefined && !this.#inherits;
    const heard = this.#buffer;
    const owed = this.#gap ? (resync ?? "takeover") : this.#inherits ? undefined : resync;
    this.#buffer = [];
    this.#gap = false;
    this.#inherits = false;
    return { owed, events: repeats ? repeatable(heard, caseSensitive) : heard };
  }

  /** Files found ready that are not among those that were told. */
  takeReady(told: readonly ToldFile[]): readonly Heard[] {
    return this.#ready.take(told);
  }

  clear(): void {
    this.#buffer = [];
    this.#ready.clear();
  }
}
