import type { Clock } from "../../base/clock.ts";
import { Pacer } from "../pacing.ts";
import type { Picture, PictureNode } from "../picture/index.ts";
import type { DirectorySource } from "../source.ts";
import { ageMs, Habits } from "./habits.ts";
import { type Findings, Identification } from "./identification.ts";
import { ModifiedNames } from "./modified-names.ts";
import type { NameLookup } from "./name-lookup.ts";
import { RecentDirectories } from "./recent-directories.ts";
import { RenamedNames } from "./renamed-names.ts";
import { type NameReport, type NameServices, UnlistedNames } from "./unlisted-names.ts";

/** Directories listed once more, of a share. */
const LOOKS_PER_SECOND = 100;

/** What names are, and whether listings show them: everything that keeps consumers from names they could not list. */
export class ListedNames<T> {
  readonly #habits = new Habits();
  readonly #identification: Identification<T>;
  readonly #unlisted: UnlistedNames<T>;
  readonly #modified: ModifiedNames<T>;
  readonly #recent: RecentDirectories<T>;
  /** Both names of renames that may not be true of this directory. */
  readonly renamed: RenamedNames<T>;
  /** Somebody is left who wants to know. */
  #wanted = new AbortController();
  readonly #stop: AbortSignal;

  constructor(
    source: DirectorySource,
    {
      lookup,
      picture,
      clock,
      stop,
    }: {
      readonly lookup: NameLookup;
      readonly picture: Picture<T>;
      readonly clock: Clock;
      readonly stop: AbortSignal;
    },
    report: NameReport<T>,
  ) {
    this.#stop = stop;
    const habits = this.#habits;
    const signal = (): AbortSignal => this.#wanted.signal;
    const services: NameServices<T> = {
      ...{ lookup, picture, clock, habits },
      get signal() {
        return signal();
      },
    };
    const findings: Findings<T> = {
      emerged: (node, entries) => report.emerged(node, entries),
      isDirectory: (node, name, info) => report.isDirectory(node, name, info),
      doubtful: (node) => report.doubtful(node),
      compare: (node) => report.compare(node),
      refused: (node) => report.refused(node),
      listed: ({ type, modified }) => habits.listed(type, ageMs(source.serverTime?.(), modified)),
    };
    this.#unlisted = new UnlistedNames(services, report);
    this.#identification = new Identification(services, this.#unlisted, findings);
    this.#modified = new ModifiedNames(services, (node, names) => this.#identification.confirm(node, names));
    this.#recent = new RecentDirectories(source, services, new Pacer(clock, LOOKS_PER_SECOND), report);
    this.renamed = new RenamedNames(source, services, report, { clock, signal: stop });
  }

  /** Finds out about names that were told as new. Never rejects. */
  find(node: PictureNode<T>, names: readonly string[]): Promise<void> {
    return this.#identification.find(node, names);
  }

  /** What was modified may have been hidden by that; what was renamed, before that, where a share is known to hide. */
  modified(node: PictureNode<T>, name: string, action: "modified" | "renamed"): void {
    if (action === "modified" || this.#habits.hides) this.#modified.add(node, name);
  }

  /** As `UnlistedNames.keeps`. @throws SourceError, AbortedError */
  keeps(...of: Parameters<UnlistedNames<T>["keeps"]>): Promise<ReadonlySet<string>> {
    return this.#unlisted.keeps(...of);
  }

  /** As `RecentDirectories.listed`. */
  pictured(node: PictureNode<T>, modified: bigint, fresh: boolean): void {
    this.#recent.listed(node, modified, fresh);
  }

  /** Nobody watches anything (any more): nothing is looked for until somebody does. */
  rest(): void {
    this.#wanted.abort();
    if (!this.#stop.aborted) this.#wanted = new AbortController();
  }
}
