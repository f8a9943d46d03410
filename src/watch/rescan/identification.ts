import { sleep } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import { foldCase } from "../../base/path.ts";
import {
  EntryFlag,
  factsOf,
  type Picture,
  type PictureNode,
  REPARSE_POINT,
  type Snapshot,
  TouchLog,
} from "../picture/index.ts";
import type { DirectoryEntry } from "../source.ts";
import { type NameLookup, STAT_AT_MOST } from "./name-lookup.ts";
import { foldedNames, type NameReport, type NameServices, type UnlistedNames } from "./unlisted-names.ts";

/** A comparison that takes longer is not waited for; and how often it is looked whether it is over. */
const COMPARED_MS = 10_000;
const LOOK_MS = 250;

/** What follows from what a name turned out to be. */
export interface Findings<T>
  extends Pick<NameReport<T>, "emerged" | "isDirectory" | "doubtful" | "compare" | "refused"> {
  /** A listing shows it. */
  listed(entry: DirectoryEntry): void;
}

/**
 * Finds out what names are that came without a type, and whether they are on any listing, as long as they are still in
 * the picture. The listing is asked, not the entry: what is refused to us is on it all the same.
 */
export class Identification<T> {
  readonly #lookup: NameLookup;
  readonly #picture: Picture<T>;
  readonly #clock: Clock;
  readonly #services: NameServices<T>;
  readonly #unlisted: UnlistedNames<T>;
  readonly #findings: Findings<T>;

  constructor(services: NameServices<T>, unlisted: UnlistedNames<T>, findings: Findings<T>) {
    this.#lookup = services.lookup;
    this.#picture = services.picture;
    this.#clock = services.clock;
    this.#services = services;
    this.#unlisted = unlisted;
    this.#findings = findings;
  }

  get #signal(): AbortSignal {
    return this.#services.signal;
  }

  /** Never rejects. */
  async find(node: PictureNode<T>, names: readonly string[]): Promise<void> {
    if (names.length > STAT_AT_MOST) await this.#compared(node).catch(() => undefined);
    // A comparison has listed them since, and said what follows.
    const open = names.filter((name) => ((node.snapshot?.get(name)?.flags ?? 0) & EntryFlag.known) === 0);
    let others: ReadonlySet<string> | undefined;
    const isRespelled = (name: string): boolean => {
      if (node.snapshot === undefined || node.snapshot.has(name)) return false;
      others ??= foldedNames(node.snapshot);
      return others.has(foldCase(name));
    };
    const found = (entry: DirectoryEntry): void => this.#found(node, entry, isRespelled);
    await this.#find(node, open, found, () => this.#findings.refused(node));
  }

  /** Where a burst was too much for the server, a comparison is on its way, and lists the same. */
  async #compared(node: PictureNode<T>): Promise<void> {
    for (let waited = 0; node.logs.size > 0 && waited < COMPARED_MS; waited += LOOK_MS) {
      await sleep(LOOK_MS, { signal: this.#signal, clock: this.#clock });
    }
  }

  /** Only whether they are still listed. Never rejects. */
  confirm(node: PictureNode<T>, names: readonly string[]): Promise<void> {
    return this.#find(node, names, () => undefined);
  }

  async #find(
    node: PictureNode<T>,
    all: readonly string[],
    found: (entry: DirectoryEntry) => void,
    refused: () => void = () => undefined,
  ): Promise<void> {
    const path = node.path;
    const log = new TouchLog();
    // Gone again before anybody could look: the most of what is written and then renamed.
    const names = all.filter((name) => isWanted(node, name));
    if (names.length === 0) return;
    node.listen(log);
    try {
      const size = node.snapshot?.size;
      const listed = (await this.#lookup.listed(path, names, this.#signal, size))?.listed;
      if (this.#picture.find(path) !== node) return;
      if (listed === undefined) return refused();
      for (const [name, entry] of listed) if (!log.has(name)) found(entry);
      const missed = names.filter((name) => !listed.has(name) && !log.has(name) && !isHidden(node, name));
      if (missed.length > 0) void this.#unlisted.missed(node, missed, found);
    } catch {
      if (!this.#signal.aborted) this.#findings.doubtful(node);
    } finally {
      node.unlisten(log);
    }
  }

  #found(node: PictureNode<T>, entry: DirectoryEntry, isRespelled: (name: string) => boolean): void {
    const { name } = entry;
    this.#findings.listed(entry);
    if (node.reveal(name)) {
      // Not hidden until now, but called otherwise: what goes by the old spelling is to be told, too.
      if (isRespelled(name)) this.#findings.compare(node);
      else this.#findings.emerged(node, [entry]);
      return;
    }
    const mark = node.snapshot?.get(name);
    // Gone again, and that was told.
    if (mark === undefined && node.unidentified?.delete(name) !== true) return;
    if (entry.type === "file") node.snapshot?.learn(name, factsOf(entry));
    if (entry.type === "directory") {
      if ((entry.attributes & REPARSE_POINT) === 0) this.#findings.isDirectory(node, name, entry);
    } else if (((mark?.flags ?? 0) & EntryFlag.directory) !== 0) this.#findings.doubtful(node);
  }
}

/** Whether consumers have the name, or may want to. */
function isWanted<T>(node: PictureNode<T>, name: string): boolean {
  return node.snapshot === undefined || node.snapshot.has(name) || node.unlisted?.has(name) === true;
}

/** Consumers do not have it, and whether it can be opened is known: it is looked for from time to time. */
function isHidden<T>(node: PictureNode<T>, name: string): boolean {
  return node.isConcealed(name) && node.unlisted?.get(name)?.opens !== undefined;
}

/** Heard of, and not known to be directories. */
export function* unknownNames(snapshot: Snapshot): IterableIterator<string> {
  for (const [name, { flags }] of snapshot.entries()) {
    if ((flags & (EntryFlag.known | EntryFlag.directory)) === 0) yield name;
  }
}
