import { type CanonicalPath, joinPath } from "../../base/path.ts";
import type { Announcer } from "../deliver/index.ts";
import type { Change } from "../events.ts";
import { byDirectory, type LocatedChange, type Run } from "../handle/index.ts";
import type { Picture, PictureNode } from "../picture/index.ts";
import type { ListedNames, Spellings } from "../rescan/index.ts";
import type { BesideTree } from "./beside-tree.ts";
import type { Descent } from "./descent.ts";
import type { NodeHandles } from "./placement.ts";

export interface HearingContext {
  readonly picture: Picture<NodeHandles>;
  readonly spellings: Spellings<NodeHandles>;
  readonly announcer: Announcer<NodeHandles>;
  readonly descent: Descent;
  readonly beside: BesideTree;
  readonly renames: ListedNames<NodeHandles>["renamed"];
  /** What was said about this directory does not add up. */
  doubtful(path: CanonicalPath): void;
}

/** What becomes of what a handle says, until it is told. */
export class Hearing {
  readonly #context: HearingContext;

  constructor(context: HearingContext) {
    this.#context = context;
  }

  /** @param base - where the handle lies */
  take(base: CanonicalPath, located: readonly LocatedChange[]): void {
    for (const run of byDirectory(located)) {
      const path = joinPath(base, run.directory);
      if (run.odd.size > 0) this.#oddly(path, run);
      else this.#heard(path, run.changes);
    }
    for (const each of located) this.#confirm(base, each);
  }

  /** A server may have told a rename to a directory that has only one of its names, or none. */
  #confirm(base: CanonicalPath, { directory, change, half }: LocatedChange): void {
    const { action, name, oldName } = change;
    if (action !== "renamed" && half !== true) return;
    const { picture, renames } = this.#context;
    const node = picture.find(joinPath(base, directory));
    if (node === undefined) return;
    if (oldName !== undefined) renames.told(node, oldName, false);
    renames.told(node, name, action !== "removed");
  }

  /** What the server said of names that listings may show otherwise. */
  #oddly(path: CanonicalPath, { changes, odd }: Run): void {
    const { picture, spellings, descent, doubtful } = this.#context;
    const node = picture.find(path);
    if (node === undefined) {
      doubtful(path);
      return;
    }
    for (const told of changes) {
      const { change, due } = spellings.translate(node, told, odd);
      if (change !== undefined) this.#heard(path, [change]);
      if (due && told.action === "modified") descent.compare(node);
      else if (due) doubtful(path);
    }
  }

  #heard(path: CanonicalPath, changes: readonly Change[]): void {
    const { picture, announcer, beside } = this.#context;
    const node = picture.find(path);
    if (node !== undefined && takesWhatIsNotThere(node, changes)) beside.missed(node);
    announcer.records(path, beside.withoutEchoes(node, changes));
  }
}

/** Whether a name is told to be removed that this directory did not have. */
function takesWhatIsNotThere({ snapshot }: PictureNode<NodeHandles>, changes: readonly Change[]): boolean {
  if (snapshot === undefined) return false;
  const fresh = new Set<string>();
  return changes.some(({ action, name }) => {
    if (action !== "removed") fresh.add(name);
    return action === "removed" && !fresh.has(name) && !snapshot.has(name);
  });
}
