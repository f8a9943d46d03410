import { type CanonicalPath, joinPath, segmentsOf } from "../../base/path.ts";
import type { Change } from "../events.ts";
import { EntryFlag, UNKNOWN } from "./entry-mark.ts";
import { Naming } from "./naming.ts";
import type { Snapshot } from "./snapshot.ts";
import type { TouchLog } from "./touch-log.ts";

/** Names on which something hangs that only a snapshot knows: names of a listing, a set, a map. */
export interface Names {
  has(name: string): boolean;
}

/** A name that the server speaks of and no listing shows. */
export interface Unlisted {
  /** Consumers have it. */
  readonly told: boolean;
  /** It can be opened by name; `undefined`: nobody has tried. */
  readonly opens: boolean | undefined;
  /** Monotonic ms when that was found. */
  readonly since: number;
  /** Monotonic ms when the server spoke of it again, and nobody has looked since: who lists by himself may have it. */
  readonly spokenAt?: number | undefined;
}

/** Hidden names of one directory that are remembered. */
const MOST_UNLISTED = 1_000;

const NO_LOGS: ReadonlySet<TouchLog> = new Set();

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
  /** Most directories have none that anybody asked for, and an empty map is as large as all the rest. */
  #children: Map<string, PictureNode<T>> | undefined;
  /** Names that stand beside one in `#children` from which they differ by case only; and those that are directories. */
  #apart: Set<string> | undefined;
  #twins: Map<string, PictureNode<T>> | undefined;
  readonly #naming: Naming;
  /** Of listings under way. */
  #logs: Set<TouchLog> | undefined;
  snapshot: Snapshot | undefined;
  blind = false;
  /** While blind: names that were told as new, of which nobody knows yet what they are. */
  unidentified: Set<string> | undefined;
  /** Names that no listing shows. */
  unlisted: Map<string, Unlisted> | undefined;
  /** Last write of the directory itself when it was last listed (FILETIME). `undefined`: new, or moved since. */
  dirModified: bigint | undefined;
  /** Taken over from an earlier owner, or found below such, and not compared with a listing since. */
  inherited = false;
  /** What is in it is being told, although its name has only been heard of above: a comparison has found it to be a directory. */
  entered = false;
  /** Monotonic ms of the last listing's begin; of a directory not listed since it came, when that was told. */
  rescannedAt: number | undefined;
  /** Monotonic ms when the server last spoke of names in it. */
  heardAt: number | undefined;
  /** Monotonic ms of the begin of the last listing of which no gap was told, because of what was heard. */
  explainedAt: number | undefined;
  /** Which of all listings was the last to be told; older ones have nothing to say any more. */
  listing = 0;
  /** Monotonic ms when consumers were last asked to list this directory. */
  resyncedAt: number | undefined;
  /** Of the directory itself; `none` where the server gives none, undefined where nobody has looked. */
  fileId: bigint | "none" | undefined;
  attachment: T | undefined;

  constructor(name: string, parent: PictureNode<T> | undefined, naming: Naming) {
    this.#name = name;
    this.#parent = parent;
    this.#naming = naming;
  }

  get path(): CanonicalPath {
    // Not by recursion: how deep it lies is for the server to say.
    const names: string[] = [];
    for (let at: PictureNode<T> = this; at.#parent !== undefined; at = at.#parent) names.push(at.#name);
    return joinPath("/", names.reverse().join("/"));
  }

  get name(): string {
    return this.#name;
  }

  get parent(): PictureNode<T> | undefined {
    return this.#parent;
  }

  /** Whether anything has been told about the entries of this directory. */
  get told(): boolean {
    return this.snapshot !== undefined || this.blind;
  }

  get logs(): ReadonlySet<TouchLog> {
    return this.#logs ?? NO_LOGS;
  }

  /** From now on what the server says of names is written into `log` as well. */
  listen(log: TouchLog): void {
    this.#logs ??= new Set();
    this.#logs.add(log);
  }

  unlisten(log: TouchLog): void {
    this.#logs?.delete(log);
    if (this.#logs?.size === 0) this.#logs = undefined;
  }

  child(name: string): PictureNode<T> | undefined {
    const twin = this.#twins?.get(name);
    if (twin !== undefined) return twin;
    const found = this.#children?.get(this.#naming.fold(name));
    return found !== undefined && this.#isApart(found, name) ? undefined : found;
  }

  *children(): IterableIterator<PictureNode<T>> {
    if (this.#children !== undefined) yield* this.#children.values();
    if (this.#twins !== undefined) yield* this.#twins.values();
  }

  /** @param listed - names of the directory, where its snapshot does not have them (yet) */
  ensure(name: string, listed?: Names): PictureNode<T> {
    this.distinguish(name, listed);
    let child = this.child(name);
    if (child === undefined) {
      child = new PictureNode(name, this, this.#naming);
      this.#put(child);
    }
    return child;
  }

  /**
   * Takes note where `name` and a directory whose name differs by case only are both there: a local process made
   * them, and a server opens both, each by its exact name. From then on they are two.
   */
  distinguish(name: string, listed: Names | undefined = this.snapshot): void {
    const other = this.#children?.get(this.#naming.fold(name));
    if (other === undefined || other.#name === name || listed === undefined) return;
    if (!listed.has(name) || !listed.has(other.#name)) return;
    this.#apart ??= new Set();
    this.#apart.add(name);
    this.#naming.pairs = true;
  }

  /** What a name of this directory counts as. */
  keyOf(name: string): string {
    return this.#apart?.has(name) === true ? `${name}\0` : this.#naming.fold(name);
  }

  #isApart(found: PictureNode<T>, name: string): boolean {
    return found.#name !== name && this.#apart?.has(name) === true;
  }

  #put(child: PictureNode<T>): void {
    const key = this.#naming.fold(child.#name);
    this.#children ??= new Map();
    if (this.#children.has(key)) {
      this.#twins ??= new Map();
      this.#twins.set(child.#name, child);
    } else this.#children.set(key, child);
  }

  /**
   * Takes over the server's own spelling: of this directory and as many ancestors as `path` names. Not where another one
   * has been told: consumers have it by that until a comparison tells otherwise.
   */
  spell(path: CanonicalPath): void {
    const names = segmentsOf(path);
    let node: PictureNode<T> | undefined = this;
    for (let name = names.pop(); name !== undefined && node !== undefined; name = names.pop()) {
      const { snapshot } = node.#parent ?? {};
      if (snapshot?.has(node.#name) !== true || snapshot.has(name)) node.#name = name;
      node = node.#parent;
    }
  }

  detach(): void {
    const parent = this.#parent;
    this.#parent = undefined;
    if (parent === undefined) return;
    const key = this.#naming.fold(this.#name);
    if (parent.#children?.get(key) === this) parent.#children.delete(key);
    else if (parent.#twins?.get(this.#name) === this) parent.#twins.delete(this.#name);
  }

  attach(parent: PictureNode<T>, name: string): void {
    this.detach();
    this.#parent = parent;
    this.#name = name;
    parent.#put(this);
  }

  /** This node and all below. */
  *walk(): IterableIterator<PictureNode<T>> {
    yield this;
    for (const child of this.children()) yield* child.walk();
  }

  /** Takes note that no listing shows a name; what consumers do not have is in the snapshot no more. */
  conceal(name: string, how: Unlisted): void {
    this.unlisted ??= new Map();
    if (this.unlisted.has(name) || this.unlisted.size < MOST_UNLISTED) this.unlisted.set(name, how);
  }

  /** A listing shows it. Returns whether consumers are to be told: whoever has listed meanwhile does not have it. */
  reveal(name: string): boolean {
    return this.unlisted?.delete(name) === true;
  }

  /** Consumers do not have this name, although it has been spoken of. */
  isConcealed(name: string): boolean {
    return this.unlisted?.get(name)?.told === false;
  }

  forget(): void {
    this.unlisted = undefined;
    this.snapshot = undefined;
    this.blind = false;
    this.dirModified = undefined;
    this.inherited = false;
    this.entered = false;
    this.fileId = undefined;
  }

  /** Applies what the server said to the snapshot and to listings under way. */
  apply(change: Change): void {
    for (const name of [change.name, change.oldName]) if (name !== undefined) this.distinguish(name);
    switch (change.action) {
      case "added":
        this.touch(change.name, true);
        this.snapshot?.set(change.name, {
          ...UNKNOWN,
          // Told as a directory before: should it turn out to be a file now, that must be noticed.
          flags: (this.snapshot.get(change.name)?.flags ?? 0) & EntryFlag.directory,
        });
        return;
      case "removed":
        this.touch(change.name, false);
        this.unidentified?.delete(change.name);
        this.snapshot?.delete(change.name);
        return;
      case "renamed": {
        const { oldName = "" } = change;
        const mark = this.snapshot?.get(oldName) ?? UNKNOWN;
        this.touch(oldName, false);
        this.unidentified?.delete(oldName);
        this.touch(change.name, true);
        this.snapshot?.delete(oldName);
        this.snapshot?.set(change.name, mark);
        return;
      }
      case "modified":
        // The mark stays: the next comparison will tell it once more, rather than never.
        this.snapshot?.outdate(change.name);
    }
  }

  /** Tells listings under way, by the server's last word. @param newest - number of the last that does not know it */
  touch(name: string, exists: boolean, newest: number = Number.POSITIVE_INFINITY): void {
    for (const log of this.logs) if (log.number <= newest) log.set(name, exists);
  }
}

/** The picture of a share: every directory that is told upward, as a tree. */
export class Picture<T> {
  readonly root: PictureNode<T>;

  readonly #naming: Naming;

  constructor(caseSensitive: boolean) {
    this.#naming = new Naming(caseSensitive);
    this.root = new PictureNode<T>("", undefined, this.#naming);
  }

  /** Two paths with one key are one directory. */
  key(path: CanonicalPath): string {
    if (!this.#naming.pairs) return this.#naming.path(path);
    let key = "";
    let node: PictureNode<T> | undefined = this.root;
    for (const name of segmentsOf(path)) {
      key += `/${node?.keyOf(name) ?? this.#naming.fold(name)}`;
      node = node?.child(name);
    }
    return key === "" ? "/" : key;
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

  /** Removes nodes that carry nothing any more, from `node` upward, up to the first that is `wanted` nevertheless. */
  prune(node: PictureNode<T>, wanted: (node: PictureNode<T>) => boolean): void {
    let current: PictureNode<T> | undefined = node;
    while (current !== undefined && current !== this.root) {
      const { parent }: { parent: PictureNode<T> | undefined } = current;
      if (current.told || current.attachment !== undefined || !current.children().next().done) return;
      if (wanted(current)) return;
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
