import { foldCase } from "../../base/path.ts";
import type { Change } from "../events.ts";
import type { PictureNode } from "../picture/index.ts";

/** What of a change concerns consumers. */
export interface Heard {
  readonly tell: readonly Change[];
  /** Names of which nobody knows whether they are listed (by now). */
  readonly ask: readonly string[];
  /** A name that goes, and was not told: who has listed by himself since it came may have found it. */
  readonly left?: Left;
}

export interface Left {
  readonly name: string;
  /** Monotonic ms. */
  readonly since: number;
}

/**
 * A server tells of names that no listing shows as of any other: consumers are not to have them. A name that they do
 * not have, and that is changed, may have been hidden until now. It may be listed from then on, before
 * anybody has looked. Call before the picture follows the change.
 */
export function heard<T>(node: PictureNode<T>, said: Change, now: number): Heard {
  const change = asTold(node, said);
  const { name, oldName = "" } = change;
  switch (change.action) {
    case "added":
      return node.isConcealed(name) ? asked(node, name, now) : { tell: [change], ask: [] };
    case "removed":
      // It is likely to be hidden when it comes again: links that are locks, resource forks.
      if (node.isConcealed(name)) return { tell: [], ask: [], ...leaving(node, name) };
      node.unlisted?.delete(name);
      return { tell: [change], ask: [] };
    case "modified": {
      const unknown = node.snapshot?.has(name) === false;
      if (unknown && !node.isConcealed(name))
        node.conceal(name, { told: false, opens: undefined, since: now });
      // Where too many are hidden to remember, it is told as it is.
      return node.isConcealed(name) ? asked(node, name, now) : { tell: [change], ask: [] };
    }
    case "ready":
      // Comes into being behind this.
      return { tell: [change], ask: [] };
    case "renamed": {
      const from = node.isConcealed(oldName);
      const left = leaving(node, oldName);
      node.unlisted?.delete(oldName);
      const concealed = node.isConcealed(name);
      if (!concealed) return { tell: [from ? { action: "added", name } : change], ask: [], ...left };
      const { ask } = asked(node, name, now);
      return { tell: from ? [] : [{ action: "removed", name: oldName }], ask, ...left };
    }
  }
}

function asked<T>(node: PictureNode<T>, name: string, now: number): Heard {
  const how = node.unlisted?.get(name);
  if (how !== undefined) node.unlisted?.set(name, { ...how, spokenAt: how.spokenAt ?? now });
  return { tell: [], ask: [name] };
}

function leaving<T>(node: PictureNode<T>, name: string): { readonly left?: Left } {
  // One that began before shows it, and would tell it as new.
  node.touch(name, false);
  const how = node.unlisted?.get(name);
  if (how?.spokenAt === undefined) return {};
  node.unlisted?.set(name, { ...how, spokenAt: undefined });
  return { left: { name, since: how.spokenAt } };
}

/**
 * What goes by another case on the server since nobody heard of that, consumers have by the name they were told: they are
 * told by that name that it leaves. Of files, the next look at the directory says so.
 */
function asTold<T>(node: PictureNode<T>, change: Change): Change {
  const { action, name, oldName = name } = change;
  const { snapshot } = node;
  if ((action !== "removed" && action !== "renamed") || snapshot === undefined || snapshot.has(oldName))
    return change;
  if (node.child(oldName) === undefined) return change;
  const key = foldCase(oldName);
  for (const told of snapshot.directories()) {
    if (foldCase(told) === key)
      return action === "renamed" ? { ...change, oldName: told } : { ...change, name: told };
  }
  return change;
}
