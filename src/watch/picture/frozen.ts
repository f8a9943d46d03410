import { type CanonicalPath, isWithin, joinPath, segmentsOf } from "../../base/path.ts";
import type { Interest } from "../interest.ts";
import { EntryFlag } from "./entry-mark.ts";
import type { Picture, PictureNode } from "./picture.ts";
import type { Snapshot } from "./snapshot.ts";

/** One directory as it has been told. */
export interface FrozenDirectory {
  readonly path: CanonicalPath;
  /** `undefined` where it is too large to be remembered. */
  readonly snapshot: Snapshot | undefined;
}

/** Parents before what is below them; the first is the one that was asked for. */
export type FrozenDirectories = readonly FrozenDirectory[];

/** What a sink has been told at one instant. */
export interface FrozenPicture {
  /** It knows of every event up to this number, and of none beyond: see `WatchSink`. */
  readonly told: number;
  readonly directories: FrozenDirectories;
  /** Full paths of files that are in `directories`, and have not been told: they settle. */
  readonly withheld: ReadonlySet<CanonicalPath>;
  /** The file server is being asked which of what is new are files: more may come to settle. */
  readonly unsorted?: boolean;
}

/**
 * - `not-yet`: it has not been listed, or what is there has not been told.
 * - `absent`: consumers know of no such directory.
 * - `outside`: not a part of the interest, or reached by a link only.
 * - `too-large`: more entries than are remembered.
 */
export type NoPicture = "not-yet" | "absent" | "outside" | "too-large";

/**
 * What has been told of a directory, or of all below it, at this instant. Costs a few words for each directory, whatever
 * their size. Directories that cannot be reached by what has been told are left out: somebody else asked for them, and
 * they are told once the way to them is.
 */
export function freezePicture<T>(
  picture: Picture<T>,
  interest: Interest,
  scope: Interest,
): FrozenDirectories | NoPicture {
  const [own, wanted] = [picture.key(interest.path), picture.key(scope.path)];
  const covered = interest.recursive ? isWithin(own, wanted) : own === wanted && !scope.recursive;
  if (!covered) return "outside";
  const root = findTold(picture, interest.path, scope.path);
  if (typeof root === "string") return root;
  if (root.blind) return "too-large";
  if (root.snapshot === undefined) return "not-yet";
  const found: FrozenDirectory[] = [];
  collect(root, root.path, scope.recursive, found);
  return found;
}

/** Goes down by what has been told: a directory that was moved away is not there, whoever else has asked for it. */
function findTold<T>(
  picture: Picture<T>,
  from: CanonicalPath,
  to: CanonicalPath,
): PictureNode<T> | "absent" | "not-yet" | "outside" {
  let node = picture.find(from);
  if (node === undefined) return "not-yet";
  for (const name of segmentsOf(to).slice(segmentsOf(from).length)) {
    const child: PictureNode<T> | undefined = node.child(name);
    if (child === undefined || nameIn(node, child) === undefined) return whyNot(node, name);
    node = child;
  }
  return node;
}

function whyNot<T>({ snapshot, blind }: PictureNode<T>, name: string): "absent" | "not-yet" | "outside" {
  const mark = snapshot?.get(name);
  if (mark === undefined) return blind ? "not-yet" : "absent";
  if ((mark.flags & EntryFlag.link) !== 0) return "outside";
  return (mark.flags & (EntryFlag.known | EntryFlag.directory)) === EntryFlag.known ? "absent" : "not-yet";
}

function collect<T>(
  node: PictureNode<T>,
  path: CanonicalPath,
  recursive: boolean,
  found: FrozenDirectory[],
): void {
  found.push({ path, snapshot: node.snapshot?.freeze() });
  if (!recursive) return;
  for (const child of node.children()) {
    const name = child.told ? nameIn(node, child) : undefined;
    if (name !== undefined) collect(child, joinPath(path, name), true, found);
  }
}

/**
 * By what name a directory has been told as one. What stands there now may be a file, or not be known yet: should it turn
 * out to be a directory, all of it is told anew.
 */
function nameIn<T>(parent: PictureNode<T>, child: PictureNode<T>): string | undefined {
  const { name } = child;
  if (parent.snapshot === undefined) return parent.blind ? name : undefined;
  const mark = parent.snapshot.get(name);
  if (mark !== undefined) {
    const known = (mark.flags & (EntryFlag.directory | EntryFlag.link)) === EntryFlag.directory;
    return known || child.entered ? name : undefined;
  }
  // Asked for in another spelling, of which the server has not told its own yet.
  for (const listed of parent.snapshot.directories()) if (parent.child(listed) === child) return listed;
  return undefined;
}
