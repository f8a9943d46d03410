import { sleep, waitFor } from "../base/async.ts";
import type { Clock } from "../base/clock.ts";
import type { BrokerLink } from "../broker/port.ts";
import { FleetError } from "../fleet/errors.ts";
import { type WatchKey, watchKey } from "../fleet/identity.ts";
import type { FleetErrorCode, WatchTarget } from "../fleet/port.ts";
import { processSubject } from "../fleet/process-service.ts";
import type { ClaimRecord } from "../fleet/records.ts";
import { type Asker, HANDED_ON } from "../fleet/service.ts";
import { servingClaim } from "../fleet/serving.ts";
import type { FleetView } from "../fleet/view.ts";
import { lookAtUnknown } from "../watch/mirror/index.ts";
import { Breather } from "../watch/pacing.ts";
import type { NoPicture } from "../watch/picture/index.ts";
import type { LocalWatch, ToldSnapshot } from "./local-watch.ts";
import { type Page, snapshotPages } from "./snapshot-pages.ts";

export interface SnapshotDeskOptions {
  readonly link: BrokerLink;
  readonly view: FleetView;
  /** Ours; `undefined` while there is none. */
  readonly lease: () => string | undefined;
  /** Whether nobody else may speak for our watches: see `Lease.mayPublish`. */
  readonly mayPublish: () => boolean;
  readonly local: (key: WatchKey) => LocalWatch | undefined;
  /** Has somebody watch it. */
  readonly hold: (target: WatchTarget) => () => void;
  readonly clock: Clock;
  /** Directories at once that are watched for who asks only. Default 1,000. */
  readonly mostHeld?: number;
}

/** Waits for a watch that is on its way; who waits longer asks again. */
const WATCHED_MS = 4_000;
const LOOK_AGAIN_MS = 50;
/** How long a directory is watched that nobody but a snapshot has asked for. */
const HOLD_MS = 30_000;
/** Such directories at once: each is a handle on the file server, and who asks for more can hold watches of his own. */
const MOST_HELD = 1_000;
/** Waits for what has been told to be stored. */
const STORED_MS = 2_000;
/** Between two round trips: who asks may be slower than we are. */
const BURST_BYTES = 1_048_576;
/** Some milliseconds: each turn costs who asks a millisecond more. */
const ENTRIES_PER_TURN = 3_000;

/** Answers who wants to know what has been told: from our own watches, or by handing the question on to their owner. */
export class SnapshotDesk {
  readonly #options: SnapshotDeskOptions;
  readonly #breather: Breather;
  /** Watches asked for on behalf of those who ask, until when. */
  readonly #held = new Map<WatchKey, () => void>();

  constructor(options: SnapshotDeskOptions) {
    this.#options = options;
    this.#breather = new Breather(options.clock, ENTRIES_PER_TURN);
  }

  /** A question to any worker. @throws FleetError, AbortedError */
  async answer(target: WatchTarget, signal: AbortSignal, asker: Asker): Promise<unknown> {
    const { link, lease } = this.#options;
    if (asker.reply === undefined) return HANDED_ON;
    const claim = await this.#claim(target, signal);
    if (claim.lease === lease()) return this.answerOwn(target, signal, asker);
    const question = new TextEncoder().encode(JSON.stringify(target));
    link.publish(processSubject(link, "worker", claim.lease, "snapshot"), question, undefined, asker.reply);
    return HANDED_ON;
  }

  /** A question to us, who own the watch. @throws FleetError, AbortedError */
  async answerOwn(target: WatchTarget, signal: AbortSignal, asker: Asker): Promise<unknown> {
    const { link, clock } = this.#options;
    const { watch, picture } = await this.#freeze(target, signal);
    const look = watch.runtime.watches.look?.bind(watch.runtime.watches) ?? (async () => new Map());
    const looks = await lookAtUnknown(picture, look, { signal, clock });
    const { path, recursive } = watch.target;
    const pages = snapshotPages({
      target,
      picture,
      looks,
      servedBy: { path, recursive },
      maxPayload: link.server.maxPayload,
      breather: this.#breather,
      signal,
    });
    let before: Page | undefined;
    let burst = 0;
    for await (const page of pages) {
      if (before !== undefined) {
        const bytes = before.encode();
        asker.send(bytes);
        burst += bytes.length;
      }
      if (burst > BURST_BYTES) {
        await link.roundTrip({ signal });
        burst = 0;
      }
      before = page;
    }
    const stored = await waitFor(picture.stored(), {
      signal,
      clock,
      deadlineMs: STORED_MS,
      what: "the stream",
    }).catch(() => false);
    // Whoever spoke for the watch meanwhile has told what we do not know of.
    if (!this.#options.mayPublish()) throw elsewhere();
    return before?.encode(stored);
  }

  close(): void {
    for (const release of this.#held.values()) release();
    this.#held.clear();
  }

  /** The claim that serves it, once it is live. @throws FleetError */
  async #claim(target: WatchTarget, signal: AbortSignal): Promise<ClaimRecord> {
    const { view, clock } = this.#options;
    const until = clock.monotonic() + WATCHED_MS;
    for (;;) {
      const claim = servingClaim(target, (key) => view.liveClaim(key)?.record, view.caseSensitive);
      if (claim?.state === "live" || claim?.state === "degraded") return claim;
      if (claim?.code !== undefined && claim.state !== "starting") throw refused(claim);
      if (claim === undefined) this.#hold(target);
      if (clock.monotonic() >= until)
        throw new FleetError("unreachable", "the directory is not watched yet: ask again");
      await sleep(LOOK_AGAIN_MS, { signal, clock });
    }
  }

  async #freeze(
    target: WatchTarget,
    signal: AbortSignal,
  ): Promise<{ readonly watch: LocalWatch; readonly picture: ToldSnapshot }> {
    const { view, clock, local, mayPublish } = this.#options;
    const until = clock.monotonic() + WATCHED_MS;
    for (;;) {
      const claim = servingClaim(target, (key) => view.liveClaim(key)?.record, view.caseSensitive);
      const watch = claim && local(watchKey(claim, view.caseSensitive));
      if (!mayPublish()) throw elsewhere();
      if (watch?.tellsReadyOnly)
        throw new FleetError(
          "no_changes",
          "of this directory only ready files are told (`only`), so no picture can be kept",
        );
      const picture = watch?.snapshot({ path: target.path, recursive: target.recursive }) ?? "not-yet";
      if (watch !== undefined && typeof picture !== "string") return { watch, picture };
      if (picture === "not-yet" && clock.monotonic() < until) await sleep(LOOK_AGAIN_MS, { signal, clock });
      else throw noPicture(picture as NoPicture);
    }
  }

  /** @throws FleetError `limit` */
  #hold(target: WatchTarget): void {
    const { hold, view, clock, mostHeld = MOST_HELD } = this.#options;
    const key = watchKey(target, view.caseSensitive);
    if (this.#held.has(key)) return;
    if (this.#held.size >= mostHeld) {
      throw new FleetError(
        "limit",
        "too many directories are watched for snapshots only: acquire a watch first",
      );
    }
    const release = hold(target);
    const cancel = clock.after(
      HOLD_MS,
      () => {
        this.#held.delete(key);
        release();
      },
      { unref: true },
    );
    this.#held.set(key, () => {
      cancel();
      release();
    });
  }
}

function refused({ code = "internal", state, error }: ClaimRecord): FleetError {
  return new FleetError(code satisfies FleetErrorCode, error ?? `the directory is ${state}`);
}

function elsewhere(): FleetError {
  return new FleetError("unreachable", "another worker may hold the watch by now: ask again");
}

function noPicture(why: NoPicture): FleetError {
  switch (why) {
    case "absent":
      return new FleetError("not_found", "nobody has been told of such a directory");
    case "too-large":
      return new FleetError(
        "too_large",
        "more entries than are remembered: raise maxEntries of the watch, or list and follow the changes",
      );
    case "outside":
    case "not-yet":
      return new FleetError("unreachable", "what is there has not been told yet: ask again");
  }
}
