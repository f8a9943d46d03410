import type { CanonicalPath } from "../base/path.ts";
import type { ActiveInterest, InterestIndex } from "./interest.ts";
import type { Picture, PictureNode } from "./picture.ts";
import type { Roster } from "./roster.ts";
import { Strays } from "./strays.ts";
import type { Territory } from "./territory.ts";
import type { Watcher } from "./watcher.ts";
import type { WatcherServices, WatcherSpec, WatcherView } from "./watcher-port.ts";

/** The handles of one directory. */
export interface Post {
  readonly directory?: Watcher;
  readonly tree?: Watcher;
}

type Kind = keyof Post;
type Node = PictureNode<Post>;

export interface PostsContext {
  readonly picture: Picture<Post>;
  readonly interests: InterestIndex;
  readonly territory: Territory;
  readonly roster: Roster;
  readonly services: Omit<WatcherServices, "strays">;
  /** A watcher that interests may have waited for is gone. */
  readonly dismissed: (path: CanonicalPath) => void;
}

/**
 * Which directory has which handle. A handle that replaces another is live before the other lets go, and
 * then looks once more for what that one may have left half told.
 */
export class Posts {
  readonly #context: PostsContext;
  readonly #strays: Strays;
  /** By the replacement: whom it replaces at the same directory. */
  readonly #outgoing = new Map<WatcherView, Watcher>();

  constructor(context: PostsContext) {
    this.#context = context;
    this.#strays = new Strays(context.services.source, context.services.clock);
  }

  /** A handle for `node` alone; `undefined` when `expansion` asks for more than there may be. */
  ensureDirectory(node: Node, expansion: boolean): Watcher | undefined {
    const { roster, services } = this.#context;
    const full = roster.size >= services.options.maxHandles;
    if (expansion && full && node.attachment?.directory === undefined) return undefined;
    const interests = this.#context.interests.covering(node.path);
    return this.#ensure(node, "directory", this.#spec(node.path, false, interests));
  }

  /** A recursive handle at `node` that serves `active` as well. */
  ensureTree(node: Node, active: ActiveInterest): Watcher {
    const { territory, interests, services } = this.#context;
    const existing = node.attachment?.tree;
    if (existing !== undefined && serves(existing.spec, this.#spec(node.path, true, [active])))
      return existing;
    const served = [...interests].filter(({ interest }) => territory.isWithin(node.path, interest.path));
    const spec = this.#spec(node.path, true, [...interests.covering(node.path), ...served]);
    const fallback = territory.cover === "directory" ? services.options.fallbackRescanMinutes : 0;
    return this.#ensure(node, "tree", { ...spec, rescanMinutes: spec.rescanMinutes || fallback });
  }

  /** The watcher that answers for a directory. */
  watcherOf(path: CanonicalPath): Watcher | undefined {
    return this.treeOf(path) ?? this.#context.picture.find(path)?.attachment?.directory;
  }

  treeOf(path: CanonicalPath): Watcher | undefined {
    const { territory, picture } = this.#context;
    const tree = territory.treeFor(path);
    return tree === undefined ? undefined : picture.find(tree)?.attachment?.tree;
  }

  /** The interests a recursive watcher answers for. */
  *rootsUnder({ spec }: WatcherView): IterableIterator<ActiveInterest> {
    const { territory, interests } = this.#context;
    const key = territory.key(spec.path);
    for (const active of interests) {
      const tree = territory.treeFor(active.interest.path);
      if (tree !== undefined && territory.key(tree) === key) yield active;
    }
  }

  /** Lets go of a directory that is no more. */
  withdraw(node: Node): void {
    if (node.attachment !== undefined) this.#strays.released();
    this.#remove(node, "directory");
    this.#remove(node, "tree");
  }

  /** A watcher's first answer is in: whom it replaces may go. */
  settled(watcher: WatcherView): void {
    const { picture } = this.#context;
    const old = this.#outgoing.get(watcher);
    if (old === undefined) return;
    this.#outgoing.delete(watcher);
    this.#dismiss(old);
    const post = picture.find(watcher.spec.path)?.attachment;
    (watcher.spec.recursive ? post?.tree : post?.directory)?.doubt("timer");
  }

  /** Closes what nobody needs any more at and below `path`, once what replaces it is live. */
  retire(path: CanonicalPath): void {
    const { picture, territory, interests } = this.#context;
    const top = territory.cover === "tree" ? [picture.root] : [];
    const nodes = [...new Set<Node>([...(picture.find(path)?.walk() ?? []), ...top])];
    for (const node of nodes) this.#retireAt(node);
    for (const node of nodes.reverse()) {
      if (node.attachment !== undefined || interests.covering(node.path).length > 0) continue;
      node.forget();
      picture.prune(node);
    }
  }

  #retireAt(node: Node): void {
    const post = node.attachment;
    if (post === undefined) return;
    if (post.directory !== undefined) {
      const tree = this.treeOf(node.path);
      if (this.#context.interests.covering(node.path).length === 0) this.#remove(node, "directory");
      else if (tree?.status.state === "live") {
        this.#remove(node, "directory");
        tree.doubt("timer");
      }
    }
    if (post.tree !== undefined && this.rootsUnder(post.tree).next().done === true)
      this.#remove(node, "tree");
  }

  #ensure(node: Node, kind: Kind, spec: WatcherSpec): Watcher {
    const { roster, services } = this.#context;
    const existing = node.attachment?.[kind];
    if (existing !== undefined && serves(existing.spec, spec)) return existing;
    // The first request fixes a handle's filter (MS-SMB2 3.3.1.3): a wider one needs another handle.
    const filter = spec.filter | (existing?.spec.filter ?? 0);
    const watcher = roster.enlist({ ...spec, filter }, { ...services, strays: this.#strays });
    node.attachment = { ...node.attachment, [kind]: watcher };
    if (existing !== undefined) this.#outgoing.set(watcher, existing);
    watcher.start();
    return watcher;
  }

  #spec(path: CanonicalPath, recursive: boolean, interests: readonly ActiveInterest[]): WatcherSpec {
    const { options } = this.#context.services;
    let { filter } = options;
    let rescanMinutes = 0;
    for (const { overrides } of interests) {
      filter |= overrides.filter ?? 0;
      const minutes = overrides.rescanMinutes ?? options.rescanMinutes;
      if (minutes > 0) rescanMinutes = Math.min(minutes, rescanMinutes || minutes);
    }
    return { path, recursive, filter, rescanMinutes };
  }

  #remove(node: Node, kind: Kind): void {
    const { [kind]: watcher, ...rest } = node.attachment ?? {};
    node.attachment = Object.keys(rest).length === 0 ? undefined : rest;
    if (watcher !== undefined) this.#dismiss(watcher);
  }

  #dismiss(watcher: Watcher): void {
    const old = this.#outgoing.get(watcher);
    this.#outgoing.delete(watcher);
    if (old !== undefined) this.#dismiss(old);
    if (this.#context.roster.dismiss(watcher)) this.#context.dismissed(watcher.spec.path);
  }
}

/** Whether a handle as it is does what is asked for. */
function serves(has: WatcherSpec, wanted: WatcherSpec): boolean {
  const often =
    wanted.rescanMinutes === 0 || (has.rescanMinutes > 0 && has.rescanMinutes <= wanted.rescanMinutes);
  return often && (wanted.filter & ~has.filter) === 0;
}
