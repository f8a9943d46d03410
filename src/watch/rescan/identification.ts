import type { CanonicalPath } from "../../base/path.ts";
import type { Picture, PictureNode } from "../picture/picture.ts";
import { EntryFlag, REPARSE_POINT, type Snapshot } from "../picture/snapshot.ts";
import type { EntryInfo } from "../source.ts";
import type { NameLookup } from "./name-lookup.ts";

/** What follows from what a name turned out to be. */
export interface Findings<T> {
  isDirectory(node: PictureNode<T>, name: string, info: EntryInfo): void;
  /** What was said about this directory does not add up, or nobody could say. */
  doubtful(path: CanonicalPath): void;
}

/** Finds out what names are that came without a type, as long as they are still in the picture. */
export class Identification<T> {
  readonly #lookup: NameLookup;
  readonly #picture: Picture<T>;
  readonly #signal: AbortSignal;
  readonly #findings: Findings<T>;

  constructor(lookup: NameLookup, picture: Picture<T>, signal: AbortSignal, findings: Findings<T>) {
    this.#lookup = lookup;
    this.#picture = picture;
    this.#signal = signal;
    this.#findings = findings;
  }

  /** Never rejects. */
  async find(node: PictureNode<T>, names: readonly string[]): Promise<void> {
    const path = node.path;
    try {
      // From the listing: what is refused to us says nothing when it is asked itself, and is a directory all the same.
      const listed = await this.#lookup.listed(path, names, this.#signal);
      if (listed === undefined || this.#picture.find(path) !== node) return;
      for (const [name, info] of listed) this.#identified(node, name, info);
      const hidden = names.filter((name) => !listed.has(name));
      if (hidden.length === 0) return;
      const opened = await this.#lookup.open(path, hidden, this.#signal);
      if (this.#picture.find(path) !== node) return;
      for (const [name, info] of opened) this.#identified(node, name, info);
    } catch {
      if (!this.#signal.aborted) this.#findings.doubtful(path);
    }
  }

  #identified(node: PictureNode<T>, name: string, info: EntryInfo): void {
    const mark = node.snapshot?.get(name);
    // Gone again, and that was told.
    if (mark === undefined && node.unidentified?.delete(name) !== true) return;
    if (info.type === "directory") {
      if ((info.attributes & REPARSE_POINT) === 0) this.#findings.isDirectory(node, name, info);
    } else if (((mark?.flags ?? 0) & EntryFlag.directory) !== 0) this.#findings.doubtful(node.path);
  }
}

/** Heard of, and not known to be directories. */
export function* unknownNames(snapshot: Snapshot): IterableIterator<string> {
  for (const [name, { flags }] of snapshot.entries()) {
    if ((flags & (EntryFlag.known | EntryFlag.directory)) === 0) yield name;
  }
}
