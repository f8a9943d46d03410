import { deferred, ignoreRejection, sleep, waitFor } from "../../base/async.ts";
import type { CanonicalPath } from "../../base/path.ts";
import type { Surroundings } from "../options.ts";
import { every, type Pacer } from "../pacing.ts";
import { type DirectorySource, type EntryInfo, SourceError } from "../source.ts";
import { Coalescer, type LocatedChange } from "./coalesce.ts";
import { NotifyRequests } from "./notify-requests.ts";

export interface LeasedHandleServices extends Surroundings {
  readonly source: DirectorySource;
  /** Spreads the opening of thousands. */
  readonly turns: Pacer;
  readonly refreshMinutes: number;
  /** CompletionFilter bits (MS-SMB2 2.2.35). */
  readonly filter: number;
}

export interface LeasedHandleHost {
  told(changes: readonly LocatedChange[]): void;
  /** Nobody was listening on this handle for a while: list and compare. */
  compare(): void;
  /** Monotonic ms when the recursive handle above last told of something here. */
  heardAt(): number | undefined;
  /** The handle is wanted back. */
  recalled(): void;
  /** Monotonic ms when one nearby was: whoever is at work there finds a new handle in the way that came too late to be recalled. */
  recalledNearbyAt(): number | undefined;
  /** The server gave no lease on this directory, and perhaps gives none any more. */
  refused(): void;
}

/** After it was given back, others are left to do what they have come to do. */
const SHORTEST_PAUSE_MS = 1_000;
/** Where others work all the time a handle is only in the way. */
const LONGEST_PAUSE_MS = 60_000;
/** Held that long, it was worth holding. */
const HELD_MS = 10_000;
/** How long work nearby is over when nothing more is wanted back. */
const NEARBY_MS = 300;
const LONGEST_LET_WORK_MS = 10_000;
/** A failure has passed when nothing else knows. */
const FAILED_PAUSE_MS = 60_000;

/**
 * A handle on one directory beside the recursive one above it, to hear at once what is done on the server itself. It
 * is held under a lease with handle caching: whoever wants to delete or rename the directory, or one above, is made
 * to wait until the handle is closed, which it is at the first word. Any change by another client ends the lease as
 * well; to keep the handle without one would be to be in the way, so then too it is closed, and taken again after a pause.
 */
export class LeasedHandle {
  readonly #path: CanonicalPath;
  readonly #services: LeasedHandleServices;
  readonly #host: LeasedHandleHost;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #info: EntryInfo | undefined;
  #giveBack: (() => void) | undefined;

  constructor(path: CanonicalPath, services: LeasedHandleServices, host: LeasedHandleHost) {
    this.#path = path;
    this.#services = services;
    this.#host = host;
  }

  /** Which directory it listens to; `undefined` while it does not. */
  get info(): EntryInfo | undefined {
    return this.#info;
  }

  start(): void {
    this.#running ??= this.#run(this.#stop.signal).catch(() => undefined);
  }

  /** What it holds is not what the path names any more. */
  evict(): void {
    this.#giveBack?.();
  }

  close(): Promise<void> {
    this.#stop.abort();
    return this.#running ?? Promise.resolve();
  }

  /** @throws AbortedError */
  async #run(signal: AbortSignal): Promise<void> {
    const { clock, source } = this.#services;
    let pause = SHORTEST_PAUSE_MS;
    for (;;) {
      const begun = clock.monotonic();
      const error = await this.#session(signal).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (signal.aborted) return;
      if (error instanceof SourceError && error.failure === "unreachable") {
        await source.reachable({ signal }).catch(() => undefined);
      }
      const held = clock.monotonic() - begun >= HELD_MS;
      if (error !== undefined) pause = FAILED_PAUSE_MS;
      else pause = held ? SHORTEST_PAUSE_MS : Math.min(pause * 2, LONGEST_PAUSE_MS);
      await this.#quiet(pause, signal);
    }
  }

  /** At least `ms`, and until nothing has been heard of the directory for the shortest pause. @throws AbortedError */
  async #quiet(ms: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#services;
    for (let rest = ms; rest > 0; ) {
      await sleep(rest, { clock, signal });
      rest = (this.#host.heardAt() ?? Number.NEGATIVE_INFINITY) + SHORTEST_PAUSE_MS - clock.monotonic();
    }
  }

  /** Until nobody nearby has wanted anything back for a moment, but not for ever. @throws AbortedError */
  async #letWork(signal: AbortSignal): Promise<void> {
    const { clock } = this.#services;
    const until = clock.monotonic() + LONGEST_LET_WORK_MS;
    for (;;) {
      const now = clock.monotonic();
      const rest = (this.#host.recalledNearbyAt() ?? Number.NEGATIVE_INFINITY) + NEARBY_MS - now;
      if (rest <= 0 || now >= until) return;
      await sleep(rest, { clock, signal });
    }
  }

  /** Ends when the handle has been given back. @throws SourceError, AbortedError */
  async #session(stop: AbortSignal): Promise<void> {
    const { source, clock, random, turns, filter, refreshMinutes } = this.#services;
    await turns.turn(stop);
    await this.#letWork(stop);
    const directory = await source.open(this.#path, { signal: stop, lease: true });
    const ended = deferred<void>();
    this.#giveBack = ended.resolve;
    const timers: (() => void)[] = [];
    const coalescer = new Coalescer(clock, false, (change) => this.#host.told([change]));
    try {
      if (directory.recalled === undefined) {
        this.#host.refused();
        throw new SourceError("busy", "the server gave no lease");
      }
      const over = Promise.race([directory.recalled.then(() => this.#host.recalled()), ended.promise]);
      const requests = new NotifyRequests(
        directory,
        { recursive: false, filter, depth: source.traits.notifyDepth },
        {
          answered: (outcome) => {
            if (outcome.type === "failed" || outcome.type === "cleanup") return ended.resolve();
            if (outcome.type === "overflow") return this.#host.compare();
            if (outcome.type !== "records") return;
            const { changes, doubtful } = coalescer.push(outcome.records);
            if (changes.length > 0) this.#host.told(changes);
            if (doubtful || outcome.doubtful === true) this.#host.compare();
          },
        },
      );
      timers.push(() => requests.stop());
      const armed = requests.start();
      ignoreRejection(armed);
      if ((await waitFor(Promise.race([armed, over]), { signal: stop })) !== true) return;
      this.#info = directory.info;
      const settle = (source.traits.settleScanMs ?? 0) * (1 + random());
      timers.push(clock.after(settle, () => this.#host.compare()));
      const ms = refreshMinutes * 60_000;
      timers.push(every(clock, ms, ms * (0.5 + random() / 2), () => void requests.refresh()));
      await waitFor(over, { signal: stop });
    } finally {
      // First of all: somebody is waiting.
      const closed = directory.close().catch(() => undefined);
      this.#info = undefined;
      this.#giveBack = undefined;
      for (const cancel of timers) cancel();
      const rest = coalescer.flush();
      if (rest.length > 0 && !stop.aborted) this.#host.told(rest);
      await closed;
    }
  }
}
