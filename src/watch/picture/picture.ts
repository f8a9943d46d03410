import { type CanonicalPath, foldCase, joinPath, segmentsOf } from "../../base/path.ts";
import type { Change } from "../events.ts";
import { EntryFlag, type Snapshot, UNKNOWN } from "./snapshot.ts";

/** Which names the server spoke of since a listing began, and whether they exist by its last word. */
export type TouchLog = Map<string, boolean>;

/**
 * One directory as far as it has been told upward. `T` is what the owner of the picture attaches.
 *
 * - `snapshot` undefined and not `blind`: nobody has been told anything yet, so the first listing is
 *   adopted in silence.
 * - `blind`: too large to remember; changes pass through, doubts end in a resync.
 */
export class PictureNode<T> {
  #name: string;
  #parent: PictureNode<T> | undefined;
  readonly #children = new Map<string, PictureNode<T>>();
  readonly #fold: (name: string) => string;
  readonly logs: Set<TouchLog> = new Set<TouchLog>();
  snapshot: Snapshot | undefined;
  blind = false;
  /** While blind: names that were told as new, of which nobody knows yet what they are. */
  unidentified: Set<string> | undefined;
  /** Last write of the directory itself when it was last listed (FILETIME). `undefined`: new, or moved since. */
  dirModified: bigint | undefined;
  /** Taken over from an earlier owner, or found below such, and not compared with a listing since. */
  inherited = false;
  /** Monotonic ms of the last listing's begin; of a directory not listed since it came, when that was told. */
  rescannedAt: number | undefined;
  /** Which of all listings was the last to be told; older ones have nothing to say any more. */
  listing = 0;
  /** Monotonic ms when consumers were last asked to list this directory. */
  resyncedAt: number | undefined;
  /** Of the directory itself; `none` where the server gives none, undefined where nobody has looked. */
  fileId: bigint | "none" | undefined;
  attachment: T | undefined;

  constructor(name: string, parent: PictureNode<T> | undefined, fold: (name: string) => string) {
    this.#name = name;
    this.#parent = parent;
    this.#fold = fold;
  }

  get path(): CanonicalPath {
    return this.#parent === undefined ? "/" : joinPath(this.#parent.path, this.#name);
  }

  get parent(): PictureNode<T> | undefined {
    return this.#parent;
  }

  /** Whether anything has been told about the entries of this directory. */
  get told(): boolean {
    return this.snapshot !== undefined || this.blind;
  }

  child(name: string): PictureNode<T> | undefined {
    return this.#children.get(this.#fold(name));
  }

  children(): IterableIterator<PictureNode<T>> {
    return this.#children.values();
  }

  ensure(name: string): PictureNode<T> {
    const key = this.#fold(name);
    let child = this.#children.get(key);
    if (child === undefined) {
      child = new PictureNode(name, this, this.#fold);
      this.#children.set(key, child);
    }
    return child;
  }

  /** Takes over the server's own spelling: of this directory and as many ancestors as `path` names. */
  spell(path: CanonicalPath): void {
    const names = segmentsOf(path);
    let node: PictureNode<T> | undefined = this;
    for (let name = names.pop(); name !== undefined && node !== undefined; name = names.pop()) {
      node.#name = name;
      node = node.#parent;
    }
  }

  detach(): void {
    if (this.#parent !== undefined) this.#parent.#children.delete(this.#fold(this.#name));
    this.#parent = undefined;
  }

  attach(parent: PictureNode<T>, name: string): void {
    this.detach();
    this.#parent = parent;
    this.#name = name;
    parent.#children.set(this.#fold(name), this);
  }

  /** This node and all below. */
  *walk(): IterableIterator<PictureNode<T>> {
    yield this;
    for (const child of this.#children.values()) yield* child.walk();
  }

  forget(): void {
    this.snapshot = undefined;
    this.blind = false;
    this.dirModified = undefined;
    this.inherited = false;
    this.fileId = undefined;
  }

  /** Applies what the server said to the snapshot and to listings under way. */
  apply(change: Change): void {
    switch (change.action) {
      case "added":
        this.#touch(change.name, true);
        this.snapshot?.set(change.name, {
          ...UNKNOWN,
          // Told as a directory before: should it turn out to be a file now, that must be noticed.
          flags: (this.snapshot.get(change.name)?.flags ?? 0) & EntryFlag.directory,
        });
        return;
      case "removed":
        this.#touch(change.name, false);
        this.unidentified?.delete(change.name);
        this.snapshot?.delete(change.name);
        return;
      case "renamed": {
        const { oldName = "" } = change;
        const mark = this.snapshot?.get(oldName) ?? UNKNOWN;
        this.#touch(oldName, false);
        this.unidentified?.delete(oldName);
        this.#touch(change.name, true);
        this.snapshot?.delete(oldName);
        this.snapshot?.set(change.name, mark);
        return;
      }
      case "modified":
      // The mark stays: the next comparison will tell it once more, rather than never.
    }
  }

  #touch(name: string, exists: boolean): void {
    for (const log of this.logs) log.set(name, exists);
  }
}

/** The picture of a share: every directory that is told upward, as a tree. */
export class Picture<T> {
  readonly root: PictureNode<T>;

  constructor(caseSensitive: boolean) {
    this.root = new PictureNode("", undefined, caseSensitive ? (name) => name : foldCase);
  }

  find(path: CanonicalPath): PictureNode<T> | undefined {
    let node: PictureNode<T> | undefined = this.root;
    for (const name of segmentsOf(path)) {
      node = node.child(name);
      if (node === undefined) return undefined;
    }
    return node;
  }

  /** The directory itself, or the lowest above it that is in the picture. */
  nearest(path: CanonicalPath): PictureNode<T> {
    let node = this.root;
    for (const name of segmentsOf(path)) {
      const child = node.child(name);
      if (child === undefined) break;
      node = child;
    }
    return node;
  }

  ensure(path: CanonicalPath): PictureNode<T> {
    let node = this.root;
    for (const name of segmentsOf(path)) node = node.ensure(name);
    return node;
  }

  /** Removes nodes that carry nothing any more, from `node` upward. */
  prune(node: PictureNode<T>): void {
    let current: PictureNode<T> | undefined = node;
    while (current !== undefined && current !== this.root) {
      const { parent }: { parent: PictureNode<T> | undefined } = current;
      if (current.told || current.attachment !== undefined || !current.children().next().done) return;
      current.detach();
      current = parent;
    }
  }
}

/**
 * What the listing says, corrected by what the server said while it was taken: a listing is not atomic,
 * the records are newer. Names spoken of keep the mark they had, so that a change read by the listing but
 * lost as a record is still noticed the next time.
 */
export function reconcile(before: Snapshot | undefined, listing: Snapshot, touched: TouchLog): Snapshot {
  for (const [name, exists] of touched) {
    if (!exists) {
      listing.delete(name);
      continue;
    }
    const directory = (listing.get(name)?.flags ?? 0) & (EntryFlag.directory | EntryFlag.link);
    listing.set(name, before?.get(name) ?? { ...UNKNOWN, flags: directory });
  }
  return listing;
}
