import type { Picture, PictureNode, TouchLog } from "../picture/picture.ts";
import { EntryFlag, REPARSE_POINT, type Snapshot } from "../picture/snapshot.ts";
import type { DirectoryEntry } from "../source.ts";
import type { NameLookup } from "./name-lookup.ts";
import type { NameReport, UnlistedNames } from "./unlisted-names.ts";

/** What follows from what a name turned out to be. */
export interface Findings<T> extends Pick<NameReport<T>, "emerged" | "isDirectory" | "doubtful"> {
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
  readonly #signal: AbortSignal;
  readonly #unlisted: UnlistedNames<T>;
  readonly #findings: Findings<T>;

  constructor(
    lookup: NameLookup,
    picture: Picture<T>,
    signal: AbortSignal,
    unlisted: UnlistedNames<T>,
    findings: Findings<T>,
  ) {
    this.#lookup = lookup;
    this.#picture = picture;
    this.#signal = signal;
    this.#unlisted = unlisted;
    this.#findings = findings;
  }

  /** Never rejects. */
  find(node: PictureNode<T>, names: readonly string[]): Promise<void> {
    return this.#find(node, names, (entry) => this.#found(node, entry));
  }

  /** Only whether they are still listed. Never rejects. */
  confirm(node: PictureNode<T>, names: readonly string[]): Promise<void> {
    return this.#find(node, names, () => undefined);
  }

  async #find(
    node: PictureNode<T>,
    all: readonly string[],
    found: (entry: DirectoryEntry) => void,
  ): Promise<void> {
    const path = node.path;
    const log: TouchLog = new Map();
    // Gone again before anybody could look: the most of what is written and then renamed.
    const names = all.filter((name) => isWanted(node, name));
    if (names.length === 0) return;
    node.logs.add(log);
    try {
      const listed = await this.#lookup.listed(path, names, this.#signal);
      if (listed === undefined || this.#picture.find(path) !== node) return;
      for (const [name, entry] of listed) if (!log.has(name)) found(entry);
      const missed = names.filter((name) => !listed.has(name) && !log.has(name) && !isHidden(node, name));
      if (missed.length > 0) void this.#unlisted.missed(node, missed);
    } catch {
      if (!this.#signal.aborted) this.#findings.doubtful(node);
    } finally {
      node.logs.delete(log);
    }
  }

  #found(node: PictureNode<T>, entry: DirectoryEntry): void {
    const { name } = entry;
    this.#findings.listed(entry);
    if (node.reveal(name)) {
      this.#findings.emerged(node, [entry]);
      return;
    }
    const mark = node.snapshot?.get(name);
    // Gone again, and that was told.
    if (mark === undefined && node.unidentified?.delete(name) !== true) return;
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
