import type { Clock } from "../../base/clock.ts";
import type { Doubt } from "../doubt.ts";
import type { Surroundings } from "../options.ts";
import { every, forEachAtOnce, Pacer } from "../pacing.ts";
import type { PictureNode } from "../picture/index.ts";
import { ageMs } from "../rescan/index.ts";
import { type DirectorySource, SourceError } from "../source.ts";
import { families, SiblingLooks } from "./sibling-looks.ts";
import { isAbsence } from "./tree-roots.ts";

/** One request each: six thousand directories within a minute, and a server does not notice. */
export const CHECKS_PER_SECOND = 100;
const AT_ONCE = 4;
/** Rounds that are asked for are at least so far apart. */
const HURRY_MS = 5_000;
/**
 * A larger directory in which changes are being heard is not listed just because it was written to: that was to be
 * expected. The full comparison will come to it.
 */
const SMALL_ENTRIES = 5_000;

/** Some file systems count in whole seconds, and what is thought to be the server's time is a little off. */
const COARSE_MS = 2_000;

export interface TimeChecksHost<T> {
  /** Directories of which not everything is told. */
  directories(): Iterable<PictureNode<T>>;
  /** A handle on this very directory listens to it. */
  listening(node: PictureNode<T>): boolean;
  /** The directory at its path is this one now. */
  seen(node: PictureNode<T>, fileId: bigint | undefined): void;
  /** Lists one directory and compares. @throws SourceError, AbortedError */
  compare(node: PictureNode<T>, doubt: Doubt): Promise<unknown>;
  /** It is not there any more, or not for us. */
  absent(node: PictureNode<T>, error: SourceError): void;
}

/**
 * Finds names that a server does not tell: made, removed or renamed on the server itself, below a recursive handle of
 * Samba. Each moves the last write of its directory, and that is one request, or one listing for all that lie in the same
 * directory: so each is asked every so often, and listed when it was written to. (Writing to a file that is there does not show so: that takes the
 * comparison of everything, `fallbackRescanMinutes`.)
 */
export class TimeChecks<T> {
  readonly #source: DirectorySource;
  readonly #host: TimeChecksHost<T>;
  readonly #pacer: Pacer;
  readonly #siblings: SiblingLooks<T>;
  readonly #signal: AbortSignal;
  readonly #begin: () => () => void;
  /** Listed so soon after they were written to that more may have been written within the same tick of the server's clock. */
  readonly #racy = new WeakSet<PictureNode<T>>();
  readonly #clock: Clock;
  #end: (() => void) | undefined;
  #looking = false;
  #hurried: (() => void) | undefined;
  #lastRound = Number.NEGATIVE_INFINITY;

  /** `seconds` 0: never. What is under way ends with `signal`. */
  constructor(
    source: DirectorySource,
    host: TimeChecksHost<T>,
    { clock, random }: Surroundings,
    seconds: number,
    signal: AbortSignal,
  ) {
    this.#source = source;
    this.#host = host;
    this.#clock = clock;
    this.#pacer = new Pacer(clock, CHECKS_PER_SECOND);
    this.#signal = signal;
    this.#siblings = new SiblingLooks(source, this.#pacer, signal, {
      seen: (node, fileId) => host.seen(node, fileId),
      racy: (node) => this.#racy.has(node),
      failed: (error) => this.#ignore(error),
    });
    const ms = seconds * 1_000;
    this.#begin = () => every(clock, ms, ms * (0.5 + random() / 2), () => void this.#round());
  }

  start(): void {
    this.#end ??= this.#begin();
  }

  /** A directory has been listed, and compared. */
  listed(node: PictureNode<T>, modified: bigint): void {
    const age = ageMs(this.#source.serverTime?.(), modified);
    if (age !== undefined && age < COARSE_MS) this.#racy.add(node);
    else this.#racy.delete(node);
  }

  stop(): void {
    this.#end?.();
    this.#end = undefined;
    this.#hurried?.();
    this.#hurried = undefined;
  }

  /** There is reason to believe that something has changed somewhere: a round comes soon. */
  hurry(): void {
    if (this.#end === undefined || this.#hurried !== undefined) return;
    const due = this.#looking ? HURRY_MS : this.#lastRound + HURRY_MS - this.#clock.monotonic();
    const ms = Math.max(0, due);
    this.#hurried = this.#clock.after(ms, () => {
      this.#hurried = undefined;
      if (this.#looking) this.hurry();
      else void this.#round();
    });
  }

  async #round(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    this.#lastRound = this.#clock.monotonic();
    try {
      await forEachAtOnce(families(this.#host.directories()), AT_ONCE, async ({ parent, children }) => {
        const due = children.filter((node) => node.told && !this.#expected(node));
        const left = await this.#siblings.look(parent, due);
        await forEachAtOnce(left, AT_ONCE, async (node) => {
          await this.#pacer.turn(this.#signal);
          await this.#look(node).catch((error: unknown) => this.#ignore(error));
        });
      });
    } catch {
      // The end; or the server is away, and then everything is compared when it is back.
    } finally {
      this.#looking = false;
    }
  }

  /** One directory's trouble is not that of the others; its next look comes in a round. */
  #ignore(error: unknown): void {
    if (this.#signal.aborted || isAway(error)) throw error;
  }

  async #look(node: PictureNode<T>): Promise<void> {
    if (!node.told || this.#expected(node)) return;
    const signal = this.#signal;
    try {
      const { modified, fileId } = await this.#source.stat(node.path, { signal });
      this.#host.seen(node, fileId);
      if (!node.told) return;
      this.#siblings.asked(node, modified);
      if (modified === node.dirModified && !this.#racy.has(node)) return;
      await this.#host.compare(node, { reason: "timer", since: node.rescannedAt ?? 0 });
    } catch (error) {
      if (!isAbsence(error)) throw error;
      this.#host.absent(node, error);
    }
  }

  /** Whether a new last write would tell nothing new. */
  #expected(node: PictureNode<T>): boolean {
    if (node.heardAt === undefined || node.heardAt <= (node.rescannedAt ?? Number.NEGATIVE_INFINITY))
      return false;
    return node.blind || this.#host.listening(node) || (node.snapshot?.size ?? 0) > SMALL_ENTRIES;
  }
}

/** Nothing can be asked of the server. */
function isAway(error: unknown): boolean {
  return !(error instanceof SourceError) || error.failure === "unreachable";
}
