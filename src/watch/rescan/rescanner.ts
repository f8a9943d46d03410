import type { Clock } from "../../base/clock.ts";
import { joinPath } from "../../base/path.ts";
import type { Comparison } from "../doubt.ts";
import type { Interest } from "../interest.ts";
import type { ResolvedOptions } from "../options.ts";
import { Breather, type Gate } from "../pacing.ts";
import { isReplaced, type Picture, Snapshot, TouchLog } from "../picture/index.ts";
import { type DirectorySource, SourceError } from "../source.ts";
import {
  DifferenceReporter,
  type Listed,
  type RescanReasons,
  type RescanReport,
  type Target,
} from "./difference-reporter.ts";
import type { LinkLoops } from "./link-loops.ts";
import { type Budget, Scanner } from "./scanner.ts";

export interface RescanServices<T> {
  readonly picture: Picture<T>;
  /** For all listings of a share. */
  readonly gate: Gate;
  readonly clock: Clock;
  readonly loops: LinkLoops;
}

/** About what one answer holds: below that a listing is one round trip. */
export const LARGE_ENTRIES = 400;

/**
 * The one way out of every doubt: list a directory (or tree), compare with what has been told, tell the
 * differences. Directories that turn out to be new are told to the owner, who has them watched and
 * rescanned by themselves, so that nothing below is told before they are.
 */
export class Rescanner<T> {
  readonly #scanner: Scanner;
  readonly #picture: Picture<T>;
  readonly #clock: Clock;
  readonly #maxEntries: number;
  readonly #report: RescanReport<T>;
  readonly #reporter: DifferenceReporter<T>;
  readonly #loops: LinkLoops;
  #listings = 0;

  constructor(
    source: DirectorySource,
    options: ResolvedOptions,
    { picture, gate, clock, loops }: RescanServices<T>,
    report: RescanReport<T>,
  ) {
    const { label, scanEntriesPerSecond: entriesPerSecond } = options;
    const breather = new Breather(clock, options.entriesPerTurn);
    this.#scanner = new Scanner(source, gate, clock, breather, { label, entriesPerSecond });
    this.#picture = picture;
    this.#clock = clock;
    this.#maxEntries = options.maxEntries;
    this.#loops = loops;
    this.#report = report;
    this.#reporter = new DifferenceReporter(picture, breather, report);
  }

  /** Returns how the root was found. @throws SourceError when the root itself cannot be listed; AbortedError. */
  async rescan(root: Interest, reasons: RescanReasons, signal: AbortSignal): Promise<Comparison | undefined> {
    const node = this.#picture.find(root.path);
    // A directory that was told to be gone meanwhile: should it return, it is rescanned as a new one.
    if (node === undefined) return undefined;
    const directories = !root.recursive && this.#report.expands(node);
    const budget: Budget = { left: this.#maxEntries, directories };
    const found: Listed<T>[] = [];
    const logs: Pick<Listed<T>, "node" | "log">[] = [];
    let level: Target<T>[] = [{ node, path: root.path }];
    const first = level[0];
    try {
      while (level.length > 0) {
        const next: Target<T>[] = [];
        const lists = level.map((target) => this.#list(target, target === first, budget, logs, signal));
        for (const result of await all(lists)) {
          if (result === undefined) continue;
          found.push(result);
          if (root.recursive && !result.listing.tooLarge) next.push(...(await this.#below(result, signal)));
        }
        level = next;
      }
      await this.#reporter.tell(found, { recursive: root.recursive, ...reasons }, signal);
      const { listing, begunAt, names } = found[0] as Listed<T>;
      return { lastWrite: listing.modified, begunAt, names };
    } finally {
      for (const { node, log } of logs) node.unlisten(log);
    }
  }

  async #list(
    target: Target<T>,
    isRoot: boolean,
    budget: Budget,
    logs: Pick<Listed<T>, "node" | "log">[],
    signal: AbortSignal,
  ): Promise<Listed<T> | undefined> {
    const { node, path } = target;
    const log = new TouchLog();
    logs.push({ node, log });
    let begunAt = 0;
    try {
      const listing = await this.#scanner.list(path, budget, {
        signal,
        large: node.blind || (node.snapshot?.size ?? 0) > LARGE_ENTRIES,
        begun: () => {
          begunAt = this.#clock.monotonic();
          log.number = ++this.#listings;
          node.listen(log);
        },
      });
      return { ...target, listing, log, begunAt, names: false };
    } catch (error) {
      if (isRoot || !(error instanceof SourceError)) throw error;
      // What is something else by now is the business of its parent's records.
      if (error.failure === "not-a-directory") return undefined;
      if (!["denied", "bad-path", "gone"].includes(error.failure)) throw error;
      this.#report.skipped(path, error);
      return undefined;
    }
  }

  /** Sub-directories to list in the same rescan: known ones, and all where nothing has been told yet. */
  async #below({ node, path, listing }: Listed<T>, signal: AbortSignal): Promise<Target<T>[]> {
    const targets: Target<T>[] = [];
    for (const [name, fileId] of listing.directories) {
      const before = node.snapshot?.get(name);
      const now = listing.snapshot.get(name);
      const known = before !== undefined && now !== undefined && !isReplaced(before, now);
      // Of what was too large until now nobody knows anything: all that is below is asked for by one resync.
      const told = node.told && !node.blind;
      if (told && !known) continue;
      const child = node.ensure(name, listing.directories);
      child.spell(`/${name}`);
      if (told && !child.told) {
        child.snapshot = new Snapshot();
        child.entered = true;
        // Told some time ago: who listed it since may have names of then.
        child.rescannedAt ??= Number.NEGATIVE_INFINITY;
      }
      child.fileId = fileId ?? "none";
      const target = { node: child, path: joinPath(path, name) };
      if (this.#report.asked(child) || !(await this.#isLoop(target, signal))) targets.push(target);
    }
    return targets;
  }

  async #isLoop({ node, path }: Target<T>, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#loops.refuse(node, signal);
      return false;
    } catch (error) {
      if (!(error instanceof SourceError) || error.failure !== "denied") throw error;
      this.#report.skipped(path, error);
      return true;
    }
  }
}

/** Waits for all, even when one fails: no listing may go on unobserved. */
async function all<V>(promises: readonly Promise<V>[]): Promise<V[]> {
  const results = await Promise.allSettled(promises);
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}
