import type { Comparison, DoubtReason } from "../doubt.ts";
import type { NotifyOutcome } from "../source.ts";
import type { HandleServices, HandleSpec, HandleView } from "./handle-port.ts";
import { CLOCK_STEP_MS, DISTRUST_MS, LATE_MS } from "./trust.ts";

/** FILE_ACTION_ADDED, REMOVED, RENAMED_OLD_NAME, RENAMED_NEW_NAME (MS-FSCC 2.7.1): what moves a directory's last write. */
const NAMES: ReadonlySet<number> = new Set([1, 2, 4, 5]);
/** FILE_NOTIFY_CHANGE_FILE_NAME and DIR_NAME (MS-SMB2 2.2.35). */
const ALL_NAMES = 0x3;
/** What changed when we looked may still be on its way to us. */
const GRACE_MS = 2_000;
/** Looks in a row that found nothing, after which fewer are taken: some directories are touched for nothing. */
const VAIN = 3;
/** At most so many checks without a look, then. */
const MOST_SKIPPED = 10;

export type LastWriteDoubt = "moved" | "probing" | "untold";

/** The handle whose directory it is. */
export interface LastWriteOwner extends HandleView {
  /** Has the directory compared. */
  doubt(reason: LastWriteDoubt, since: number): void;
}

/**
 * Notices changes that the server does not tell: below a FUSE or NFS mount, with Samba's `kernel change notify = no`,
 * or when it has no inotify watches left. Names that come and go move the directory's own last write, which the
 * identity check reads anyway. A time that nothing heard of explains leads to a comparison; when that proves
 * a change untold, times are no longer explained by changes told before them, for these hide others.
 */
export class LastWrite {
  readonly #spec: HandleSpec;
  readonly #services: HandleServices;
  readonly #owner: LastWriteOwner;
  /** When it was last listed. */
  #listed: bigint | undefined;
  /** The latest time that was explained by something heard of. */
  #explained: bigint | undefined;
  /** Monotonic ms when nothing untold can have happened. */
  #sureAt = 0;
  #heardAt = Number.NEGATIVE_INFINITY;
  #foundAt: number | undefined;
  #untold = false;
  #vain = 0;
  #skip = 0;
  #cancel: (() => void) | undefined;

  constructor(spec: HandleSpec, services: HandleServices, owner: LastWriteOwner) {
    this.#spec = spec;
    this.#services = services;
    this.#owner = owner;
  }

  /** Whether names came or went here untold, within the last day. */
  get untold(): boolean {
    return this.#untold;
  }

  heard(outcome: NotifyOutcome): void {
    if (outcome.type !== "records") return;
    if (outcome.records.some(({ action, name }) => NAMES.has(action) && !name.includes("/")))
      this.#heardAt = this.#now();
  }

  /** The directory has been compared; `reason` is why. */
  compared(comparison: Comparison | undefined, reason: DoubtReason | undefined): void {
    if (comparison === undefined) return;
    const { lastWrite, begunAt, names } = comparison;
    this.stop();
    if (reason === "moved" || reason === "probing" || reason === "untold") {
      if (names) {
        this.#services.trust.broke();
        this.#foundAt = this.#now();
      } else if (this.#heardAt >= this.#sureAt && this.#heardAt <= begunAt) {
        this.#services.trust.learn(lastWrite, this.#heardAt);
      }
      this.#vain = names ? 0 : this.#vain + 1;
      this.#skip = this.#vain < VAIN ? 0 : Math.min(MOST_SKIPPED, 2 ** (this.#vain - VAIN));
    }
    this.#listed = lastWrite;
    this.#explained = undefined;
    this.#sureAt = begunAt;
    this.#judge();
  }

  /** The directory's last write is `modified`, as asked for at `askedAt` (monotonic ms). */
  seen(modified: bigint, askedAt: number): void {
    this.#judge();
    const { recursive, filter } = this.#spec;
    // To compare all that is below a recursive handle is no answer to one time: `time-checks.ts` looks at each.
    if (recursive || this.#listed === undefined || (filter & ALL_NAMES) !== ALL_NAMES) return;
    if (modified === this.#listed) {
      this.#sureAt = Math.max(this.#sureAt, askedAt);
      return;
    }
    const { trust, clock } = this.#services;
    if (trust.broken || !this.#isExplained(modified, askedAt)) {
      if (this.#skip > 0) this.#skip--;
      else if (trust.broken) this.#owner.doubt("untold", this.#sureAt);
      else {
        this.#cancel ??= clock.after(GRACE_MS, () => {
          this.#cancel = undefined;
          if (this.#isExplained(modified, askedAt)) return;
          const mayBe = this.#heardAt >= this.#sureAt && !trust.knowsClock;
          this.#owner.doubt(mayBe ? "probing" : "moved", this.#sureAt);
        });
      }
    }
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #isExplained(modified: bigint, askedAt: number): boolean {
    if (modified === this.#explained) return true;
    const { trust } = this.#services;
    const at = this.#heardAt;
    // What was heard of since we asked may be another change, and hide this one.
    const lateMs = at > askedAt ? GRACE_MS + CLOCK_STEP_MS : LATE_MS;
    if (at < this.#sureAt || !trust.explains(modified, at, lateMs)) return false;
    trust.learn(modified, at);
    this.#explained = modified;
    return true;
  }

  #judge(): void {
    const untold = this.#foundAt !== undefined && this.#now() - this.#foundAt < DISTRUST_MS;
    if (untold === this.#untold) return;
    this.#untold = untold;
    this.#services.host.statusChanged(this.#owner);
  }

  #now(): number {
    return this.#services.clock.monotonic();
  }
}
