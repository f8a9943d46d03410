import type { Clock } from "../../base/clock.ts";
import { type CanonicalPath, isWithin } from "../../base/path.ts";
import { resyncReason } from "../doubt.ts";
import type { Change, ResyncScope, Via, WatchEvent } from "../events.ts";
import { type Announcement, concerns, type Gap, gapOfUnseenLoss } from "../gap-rules.ts";
import { EntryFlag, type Picture, type PictureNode, Snapshot } from "../picture/index.ts";
import type { DirectoryEntry } from "../source.ts";
import type { ActiveInterest } from "./active-interest.ts";
import { deliver, lastAsked, tellAll, tellListers } from "./audience.ts";
import { heard } from "./concealed.ts";
import type { Followers } from "./followers.ts";
import type { InterestIndex } from "./interest-index.ts";
import { Structure } from "./structure.ts";

/**
 * Keeps the picture equal to what consumers have been told, and tells them. Everything that happens to
 * the tree of directories because of a change happens here, in the order of the changes.
 */
export class Announcer<T> {
  readonly #picture: Picture<T>;
  readonly #interests: InterestIndex;
  readonly #clock: Clock;
  readonly #followers: Followers<T>;
  readonly #key: (path: CanonicalPath) => string;
  readonly #structure: Structure<T>;

  constructor(
    picture: Picture<T>,
    interests: InterestIndex,
    clock: Clock,
    key: (path: CanonicalPath) => string,
    followers: Followers<T>,
  ) {
    this.#picture = picture;
    this.#interests = interests;
    this.#clock = clock;
    this.#key = key;
    this.#followers = followers;
    this.#structure = new Structure(interests, clock, followers);
  }

  /** What the server said about one directory. */
  records(path: CanonicalPath, changes: readonly Change[]): void {
    const node = this.#picture.find(path) ?? this.#unremembered(path);
    // A directory nobody has been told of yet: its first listing will hold all this.
    if (node === undefined) return;
    if (node.path !== path) node.spell(path);
    const audience = this.#interests.covering(path);
    // Nor of this one, which is here as the way towards an interest, or listed for the first time: who is told of it then
    // hears of its names by that listing.
    if (audience.length === 0 || !node.told) {
      for (const change of changes) {
        node.apply(change);
        this.#pass(node, change);
      }
      return;
    }
    node.heardAt = this.#clock.monotonic();
    const told: Change[] = [];
    const doubted: string[] = [];
    for (const each of changes) {
      const { tell, ask, left } = heard(node, each, this.#clock.monotonic());
      doubted.push(...ask);
      if (left !== undefined) tellListers(audience, path, left, lastAsked(node));
      for (const change of tell) {
        told.push(this.#follow(node, change));
        // What a rename carries along may have been hidden by a change that nobody has looked into yet.
        const { action, name } = change;
        if (action === "modified" || action === "renamed") this.#followers.modified(node, name, action);
      }
    }
    if (told.length > 0) this.#tell(node, "notify", told, audience);
    if (doubted.length > 0) this.#followers.enquire(node, doubted, true);
  }

  /** Listings show names that consumers do not have: they were hidden until now. */
  emerged(node: PictureNode<T>, entries: readonly DirectoryEntry[]): void {
    const changes = entries.flatMap(({ name, type }): Change[] => {
      const added: Change = { action: "added", name };
      // The directory that consumers have by that name is no more.
      const replaced = type === "file" && node.child(name) !== undefined;
      return replaced ? [{ action: "removed", name }, added] : [added];
    });
    const shown = entries.filter(({ type }) => type === "directory");
    const below = shown.flatMap(({ name }) => [...(node.child(name)?.walk() ?? [])]);
    for (const each of below) {
      if (this.#interests.at(each.path).length === 0) this.#followers.left(each);
      this.#structure.renew(each);
    }
    for (const change of changes) this.#follow(node, change);
    for (const entry of entries) node.snapshot?.put(entry);
    this.#tell(node, "rescan", changes);
    // Whoever has listed meanwhile has dropped it with all that lay below; who never lists has it still.
    for (const each of below) tellAll(this.#interests.covering(each.path), each, "added");
  }

  /** Consumers have names that no listing shows. */
  vanished(node: PictureNode<T>, names: readonly string[]): void {
    const changes = names.map((name): Change => ({ action: "removed", name }));
    for (const change of changes) this.#follow(node, change);
    this.#tell(node, "rescan", changes);
  }

  /** Returns what is to be told of it. */
  #follow(node: PictureNode<T>, change: Change): Change {
    if (change.action === "added" && node.snapshot?.get(change.name) === undefined)
      this.#structure.named(node, change.name);
    node.apply(change);
    return this.#structure.follow(node, change);
  }

  /** Below a directory that is too large, nothing was listed: what a recursive handle tells is passed on as it comes. */
  #unremembered(path: CanonicalPath): PictureNode<T> | undefined {
    const known = this.#picture.nearest(path);
    if (!known.blind) return undefined;
    const node = this.#picture.ensure(path);
    for (let at = node; at !== known && at.parent !== undefined; at = at.parent) at.blind = true;
    return node;
  }

  /** What a comparison found; `node.snapshot` is the new one already. @param number - of the listing: later ones know it */
  differences(node: PictureNode<T>, via: Via, changes: readonly Change[], number: number): void {
    const told = changes.map((change) => {
      if (change.action === "added") {
        node.reveal(change.name);
        this.#structure.named(node, change.name);
      }
      for (const name of [change.oldName, change.name]) {
        const child = name === undefined || change.action === "added" ? undefined : node.child(name);
        if (child !== undefined && change.action !== "modified") this.#unseen(child);
      }
      return this.#structure.follow(node, change, number);
    });
    this.#tell(node, via, told);
  }

  /** Nobody saw the directory go: who listed it or one below by himself may know names that we never heard of. */
  #unseen(node: PictureNode<T>): void {
    for (const below of node.walk()) {
      if (this.#interests.at(below.path).length === 0) continue;
      this.gap(below, gapOfUnseenLoss(below));
    }
  }

  resync(path: CanonicalPath, { scope, reason, picture }: Announcement): void {
    const now = this.#clock.monotonic();
    const kept = picture === undefined ? {} : { picture };
    const event: WatchEvent = { type: "resync", path, scope, reason, ...kept };
    for (const active of this.#interests.covering(path)) {
      active.deliver(event);
      if (active.wasLive) active.pictureAt = now;
    }
    if (scope === "self") return;
    const key = this.#key(path);
    for (const active of this.#interests) {
      const own = this.#key(active.interest.path);
      if (own === key || !isWithin(key, own)) continue;
      const inner: ResyncScope = active.interest.recursive ? "subtree" : "self";
      active.deliver({ type: "resync", path: active.interest.path, scope: inner, reason, ...kept });
      if (active.wasLive) active.pictureAt = now;
    }
  }

  /**
   * A listing a consumer took after `since` may hold names that came and went unseen by us. Of what we have told nothing
   * is wrong.
   */
  gap(node: PictureNode<T>, gap: Gap): void {
    const path = node.path;
    const asked = lastAsked(node);
    for (const active of this.#interests.covering(path)) {
      if (!concerns(active.audience, gap, asked)) continue;
      active.deliver({
        type: "resync",
        path,
        scope: "self",
        reason: resyncReason(gap.reason),
        picture: "kept",
      });
      node.resyncedAt = this.#clock.monotonic();
    }
  }

  #tell(node: PictureNode<T>, via: Via, changes: readonly Change[], to?: readonly ActiveInterest[]): void {
    deliver(to ?? this.#interests.covering(node.path), node.path, via, changes);
    this.#discover(node, changes);
  }

  /** In a directory nobody asked for, only what happens to the way towards an interest matters. */
  #pass(node: PictureNode<T>, change: Change): void {
    for (const name of [change.oldName, change.name]) {
      const child = name === undefined || change.action === "modified" ? undefined : node.child(name);
      if (child === undefined) continue;
      if (change.action !== "added") this.#structure.vacate(child);
      for (const below of child.walk()) this.#followers.poke(below);
    }
  }

  #discover(node: PictureNode<T>, changes: readonly Change[]): void {
    const fresh = new Set<string>();
    for (const { action, name, oldName = name } of changes) {
      if (action === "removed" || action === "renamed") fresh.delete(oldName);
      if (action === "added" || action === "renamed") fresh.add(name);
    }
    if (fresh.size > 0) this.appeared(node, fresh);
  }

  /** Names that consumers know, or are about to list. */
  appeared(node: PictureNode<T>, fresh: Iterable<string>): void {
    const recursive = this.#interests.covering(node.path).some(({ interest }) => interest.recursive);
    const unknown: string[] = [];
    for (const name of fresh) {
      const child = node.child(name);
      if (!recursive && child !== undefined) for (const below of child.walk()) this.#followers.poke(below);
      const mark = node.snapshot?.get(name);
      if (mark === undefined && !node.blind) continue;
      if (mark === undefined && recursive) {
        node.unidentified ??= new Set();
        node.unidentified.add(name);
      }
      if (mark === undefined || (mark.flags & EntryFlag.known) === 0) unknown.push(name);
      else if (recursive && (mark.flags & (EntryFlag.directory | EntryFlag.link)) === EntryFlag.directory)
        this.enter(node, name);
    }
    if (unknown.length > 0) this.#followers.enquire(node, unknown, recursive);
  }

  /** `name` turned out to be a directory. Nothing of its contents has been told yet, or it moved with them. */
  enter(parent: PictureNode<T>, name: string): void {
    if (!this.#interests.covering(parent.path).some(({ interest }) => interest.recursive)) return;
    const node = parent.ensure(name);
    node.spell(`/${name}`);
    const mark = parent.snapshot?.get(name);
    if (mark !== undefined) parent.snapshot?.set(name, { ...mark, flags: mark.flags | EntryFlag.directory });
    if (!node.told) {
      node.snapshot = new Snapshot();
      // Told while it was listed for somebody else, before there was a place for them.
      for (const log of node.logs)
        for (const [name, exists] of log) if (exists) node.apply({ action: "added", name });
      node.inherited = parent.inherited;
      this.#structure.renew(node);
    }
    if (this.#structure.takeOrphaned(node)) {
      this.resync(node.path, { scope: "subtree", reason: "silent", picture: "kept" });
    }
    if (this.#structure.takeNameless(node) || this.#structure.isAwaited(node)) this.#introduce(parent, node);
    this.#followers.entered(node);
  }

  /**
   * A directory has been listed for the first time: its own handle was in trouble while those above came live without
   * it. They hear of its contents now.
   */
  adopted(node: PictureNode<T>): void {
    const own = this.#key(node.path);
    const late = this.#interests
      .covering(node.path)
      .filter(({ wasLive, interest }) => wasLive && interest.recursive && this.#key(interest.path) !== own);
    if (late.length === 0) return;
    tellAll(late, node, "added");
    // Who listed it when they were told to list the one above has names of then.
    this.gap(node, { since: Number.NEGATIVE_INFINITY, reason: "silent" });
  }

  /**
   * A directory that somebody asked for by itself is told before, and without, its ancestors. Those who
   * hear of it only now hear of its contents too.
   */
  #introduce(parent: PictureNode<T>, node: PictureNode<T>): void {
    const audience = this.#interests.covering(parent.path).filter(({ interest }) => interest.recursive);
    for (const below of node.walk()) {
      this.#followers.poke(below);
      tellAll(audience, below, "added");
    }
  }
}
