import type { Clock } from "../../base/clock.ts";
import type { Change } from "../events.ts";
import { mayMoveAlong } from "../gap-rules.ts";
import { type PictureNode, Snapshot } from "../picture/index.ts";
import { lastAsked, tellAll } from "./audience.ts";
import type { Followers } from "./followers.ts";
import type { InterestIndex } from "./interest-index.ts";

/** What happens to the tree of directories because of a change. */
export class Structure<T> {
  readonly #interests: InterestIndex;
  readonly #clock: Clock;
  readonly #followers: Followers<T>;
  /** Moved directories whose contents consumers moved along otherwise than our picture did. */
  readonly #orphaned = new Set<PictureNode<T>>();
  /** Directories that were told by their paths before they had a name: the interest in them may have left since. */
  readonly #nameless = new WeakSet<PictureNode<T>>();

  constructor(interests: InterestIndex, clock: Clock, followers: Followers<T>) {
    this.#interests = interests;
    this.#clock = clock;
    this.#followers = followers;
  }

  /**
   * Returns the change as those are told of it who do with their picture what we do with ours.
   * @param number - of the listing that found it: later ones know it. Default: the server has said it
   */
  follow(node: PictureNode<T>, change: Change, number?: number): Change {
    if (change.action === "removed") {
      const child = node.child(change.name);
      if (child !== undefined) this.vacate(child, number);
    } else if (change.action === "renamed") {
      const target = node.child(change.name);
      const child = node.child(change.oldName ?? "");
      const kept = target !== undefined && target !== child && this.vacate(target, number);
      if (child !== undefined && !this.#move(node, child, change.name, kept, number))
        return { ...change, emptied: true };
    }
    return change;
  }

  /** Returns whether what lies below has moved along. */
  #move(
    parent: PictureNode<T>,
    child: PictureNode<T>,
    name: string,
    taken: boolean,
    number?: number,
  ): boolean {
    if (taken || this.isAwaited(child)) {
      // Somebody's own directory: the path is what was asked for, so its place stays where it is, empty.
      this.vacate(child, number);
      this.#orphaned.add(parent.ensure(name));
      return false;
    }
    const stale = this.#mayBeListed(child);
    for (const below of child.walk()) {
      this.#followers.left(below);
      this.renew(below);
    }
    child.attach(parent, name);
    if (stale) this.#orphaned.add(child);
    return true;
  }

  /** Another directory than the one listed, or in another place: names may come and go until a handle is armed. */
  renew(node: PictureNode<T>): void {
    node.dirModified = undefined;
    node.rescannedAt = this.#clock.monotonic();
  }

  /**
   * Whether a consumer may be about to list this directory, or one below, by the name it no longer has. He
   * finds nothing there, and then moves that along.
   */
  #mayBeListed(node: PictureNode<T>): boolean {
    let asked = lastAsked(node);
    for (const { resyncedAt = asked } of node.walk()) asked = Math.max(asked, resyncedAt);
    const audience = this.#interests.covering(node.path).map((active) => active.audience);
    return mayMoveAlong(audience, asked, this.#clock.monotonic());
  }

  /** Whether somebody asked for this directory, or one below, by its path. */
  isAwaited(node: PictureNode<T>): boolean {
    for (const below of node.walk()) if (this.#interests.at(below.path).length > 0) return true;
    return false;
  }

  /** Consumers hear of `name` in this directory for the first time. */
  named(node: PictureNode<T>, name: string): void {
    const child = node.child(name);
    if (child !== undefined) this.#nameless.add(child);
  }

  /** A directory ceased to be: for those who watch it or something below it, all its entries are gone. */
  vacate(node: PictureNode<T>, number?: number): boolean {
    const own = this.#interests.at(node.path);
    for (const name of tellAll(own, node, "removed")) node.touch(name, false, number);
    let keep = own.length > 0;
    for (const child of [...node.children()]) if (this.vacate(child, number)) keep = true;
    if (own.length > 0) {
      // Of what is too large to remember nobody can be told what has gone: it is announced as a whole when it returns.
      if (node.told && !node.blind) node.snapshot = new Snapshot();
      this.renew(node);
      this.#followers.vacated(node);
    } else {
      this.#followers.left(node);
      node.forget();
    }
    if (!keep) node.detach();
    return keep;
  }

  /** Whether its contents are to be announced as a whole, once it is told; asked once. */
  takeOrphaned(node: PictureNode<T>): boolean {
    return this.#orphaned.delete(node);
  }

  /** Whether it was told before it had a name; asked once. */
  takeNameless(node: PictureNode<T>): boolean {
    return this.#nameless.delete(node);
  }
}
