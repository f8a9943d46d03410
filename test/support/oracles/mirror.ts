import { baseName, isWithin, joinPath, segmentsOf } from "../../../src/base/path.ts";
import type { Change, WatchEvent } from "../../../src/watch/events.ts";

/**
 * The consumer of the contract's guarantee, and nothing more: it lists once when told to, applies
 * changes, and lists a scope again on `resync`. If its picture ever differs from the share when all is
 * quiet, something was lost in silence.
 */

export interface MirrorEntry {
  readonly name: string;
  readonly directory: boolean;
}

export interface MirrorOptions {
  readonly path: string;
  readonly recursive: boolean;
  /** Lists one directory of the share; `undefined` when it is not there. */
  readonly list: (path: string) => Promise<readonly MirrorEntry[] | undefined>;
  /** Any counter that grows with the changes of the share: says how fresh an entry is. */
  readonly now: () => number;
  readonly caseSensitive?: boolean;
  /**
   * Drops what is known below both names of a `renamed`, as consumers behind a broker have to: their listings may be
   * newer than what they are told next. Default: what lies below moves along, as for the one reader of the library.
   */
  readonly forgets?: boolean;
}

interface MirrorNode {
  name: string;
  /** `now()` when this entry was last listed or told of. */
  seenAt: number;
  readonly children: Map<string, MirrorNode>;
}

export class Mirror {
  readonly #options: MirrorOptions;
  readonly #root: MirrorNode = { name: "", seenAt: 0, children: new Map() };
  readonly #queue: WatchEvent[] = [];
  #listing: Promise<void> | undefined;
  /** The children of directories that were not there when they were to be listed. */
  readonly #unlisted = new Set<MirrorNode["children"]>();
  /** Resyncs obeyed. */
  resyncs = 0;
  /** Names that listings after a resync brought or took away. */
  corrected = 0;

  constructor(options: MirrorOptions) {
    this.#options = options;
  }

  /** Takes the first picture. Call it when the watch is live. */
  start(): void {
    this.#relist(this.#options.path, this.#options.recursive);
  }

  /** Events that arrive during a listing are applied after it. */
  apply(event: WatchEvent): void {
    this.#queue.push(event);
    this.#drain();
  }

  /** Resolves when no listing is under way. @throws what `list` threw */
  async idle(): Promise<void> {
    while (this.#listing !== undefined) await this.#listing;
  }

  /**
   * A listing that found nothing is no picture: lists again what no event has taken away since. A directory may
   * have been elsewhere only for a moment, and nobody may have noticed but the one who listed.
   */
  retry(): void {
    if (this.#listing !== undefined || this.#unlisted.size === 0) return;
    const wanted = new Set(this.#unlisted);
    this.#unlisted.clear();
    const paths: string[] = [];
    const visit = (node: MirrorNode, path: string): void => {
      if (wanted.has(node.children)) paths.push(path);
      else for (const child of node.children.values()) visit(child, joinPath(path, child.name));
    };
    visit(this.#root, this.#options.path);
    this.#listing = this.#listAll(paths).finally(() => {
      this.#listing = undefined;
      this.#drain();
    });
    // `idle` reports it.
    this.#listing.catch(() => undefined);
  }

  get busy(): boolean {
    return this.#listing !== undefined;
  }

  /** Every path below the watched one, and how fresh it is. */
  paths(): Map<string, number> {
    const found = new Map<string, number>();
    const visit = (node: MirrorNode, path: string): void => {
      for (const child of node.children.values()) {
        const full = joinPath(path, child.name);
        found.set(full, child.seenAt);
        if (this.#options.recursive) visit(child, full);
      }
    };
    visit(this.#root, this.#options.path);
    return found;
  }

  #drain(): void {
    while (this.#listing === undefined) {
      const event = this.#queue.shift();
      if (event === undefined) return;
      if (event.type === "resync") {
        this.resyncs++;
        this.#relist(event.path, event.scope === "subtree");
      } else if (event.type === "changes") {
        const node = this.#find(event.path);
        if (node !== undefined) for (const change of event.changes) this.#change(node, change);
      }
    }
  }

  #change(node: MirrorNode, change: Change): void {
    const { name, oldName = "" } = change;
    const key = this.#key(name);
    const seenAt = this.#options.now();
    const existing = node.children.get(key);
    switch (change.action) {
      case "added":
        if (existing === undefined) node.children.set(key, { name, seenAt, children: new Map() });
        else existing.seenAt = seenAt;
        return;
      case "removed":
        node.children.delete(key);
        return;
      case "modified":
        if (existing !== undefined) existing.seenAt = seenAt;
        return;
      case "renamed": {
        const moved = node.children.get(this.#key(oldName));
        node.children.delete(this.#key(oldName));
        // A rename applied before leaves nothing to move, and its target as it is.
        if (moved === undefined && existing !== undefined) existing.seenAt = seenAt;
        else node.children.set(key, { name, seenAt, children: moved?.children ?? new Map() });
        if (this.#options.forgets === true) node.children.get(key)?.children.clear();
      }
    }
  }

  #relist(path: string, subtree: boolean): void {
    const scope = isWithin(path, this.#options.path) ? this.#options.path : path;
    this.#listing = this.#list(scope, subtree && this.#options.recursive).finally(() => {
      this.#listing = undefined;
      this.#drain();
    });
    // `idle` reports it.
    this.#listing.catch(() => undefined);
  }

  async #listAll(paths: readonly string[]): Promise<void> {
    for (const path of paths) await this.#list(path, this.#options.recursive);
  }

  async #list(path: string, subtree: boolean): Promise<void> {
    const node = this.#find(path);
    if (node === undefined) return;
    const seenAt = this.#options.now();
    const entries = await this.#options.list(path);
    if (entries === undefined) this.#unlisted.add(node.children);
    else this.#unlisted.delete(node.children);
    const before = new Map(node.children);
    if (this.resyncs > 0) this.corrected += differences(before, entries ?? [], (name) => this.#key(name));
    node.children.clear();
    for (const { name, directory } of entries ?? []) {
      const key = this.#key(name);
      const known = before.get(key);
      node.children.set(key, {
        name,
        seenAt,
        children: (directory ? known?.children : undefined) ?? new Map(),
      });
      if (directory && this.#options.recursive && (subtree || known === undefined)) {
        await this.#list(joinPath(path, name), true);
      }
    }
  }

  #find(path: string): MirrorNode | undefined {
    const base = this.#options.path;
    if (!isWithin(this.#key(base), this.#key(path))) return undefined;
    let node: MirrorNode | undefined = this.#root;
    for (const name of segmentsOf(path).slice(segmentsOf(base).length)) {
      if (!this.#options.recursive) return undefined;
      node = node?.children.get(this.#key(name));
    }
    return node;
  }

  #key(name: string): string {
    return this.#options.caseSensitive === false ? name.toLowerCase() : name;
  }
}

function differences(
  before: ReadonlyMap<string, MirrorNode>,
  entries: readonly MirrorEntry[],
  key: (name: string) => string,
): number {
  const now = new Set(entries.map(({ name }) => key(name)));
  let count = 0;
  for (const name of now) if (!before.has(name)) count++;
  for (const name of before.keys()) if (!now.has(name)) count++;
  return count;
}

export interface Truth {
  readonly directory: boolean;
  /** In the terms of the mirror's `now()`. */
  readonly changedAt: number;
}

/** What is wrong with a picture, one line each; empty when it equals the share. */
export function disagreements(mirror: Mirror, truth: ReadonlyMap<string, Truth>): string[] {
  const wrong: string[] = [];
  const picture = mirror.paths();
  for (const [path, { directory, changedAt }] of truth) {
    const seenAt = picture.get(path);
    if (seenAt === undefined) wrong.push(`${path}: missing`);
    else if (!directory && seenAt < changedAt) wrong.push(`${path}: a change of its content was not told`);
  }
  for (const path of picture.keys()) if (!truth.has(path)) wrong.push(`${path}: a ghost (${baseName(path)})`);
  return wrong;
}
