import { foldCase } from "../../base/path.ts";
import type { Change } from "../events.ts";
import type { PictureNode } from "../picture/index.ts";

/** What of a change concerns consumers. */
export interface Heard {
  readonly tell: readonly Change[];
  /** Names of which nobody knows whether they are listed (by now). */
  readonly ask: readonly string[];
}

/**
 * A server tells of names that no listing shows as of any other: consumers are not to have them. A name that they do
 * not have, and that is changed, may have been hidden until now. Call before the picture follows the change.
 */
export function heard<T>(node: PictureNode<T>, said: Change, now: number): Heard {
  const change = asTold(node, said);
  const { name, oldName = "" } = change;
  switch (change.action) {
    case "added":
      if (node.isConcealed(name)) return { tell: [], ask: [name] };
      return { tell: [change], ask: [] };
    case "removed":
      // It is likely to be hidden when it comes again: links that are locks, resource forks.
      if (node.isConcealed(name)) return { tell: [], ask: [] };
      node.unlisted?.delete(name);
      return { tell: [change], ask: [] };
    case "modified": {
      const unknown = node.snapshot?.has(name) === false;
      if (unknown && !node.isConcealed(name))
        node.conceal(name, { told: false, opens: undefined, since: now });
      // Where too many are hidden to remember, it is told as it is.
      return node.isConcealed(name) ? { tell: [], ask: [name] } : { tell: [change], ask: [] };
    }
    case "ready":
      // Comes into being behind this.
      return { tell: [change], ask: [] };
    case "renamed": {
      const from = node.isConcealed(oldName);
      node.unlisted?.delete(oldName);
      if (!node.isConcealed(name)) return { tell: [from ? { action: "added", name } : change], ask: [] };
      return { tell: from ? [] : [{ action: "removed", name: oldName }], ask: [name] };
    }
  }
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
