import type { PictureNode } from "../picture/index.ts";

/** What follows from a change besides telling it. */
export interface Followers<T> {
  /** The directory is no more, or elsewhere: let go of its handles. */
  left(node: PictureNode<T>): void;
  /**
   * Removed or moved, says the directory above: what its handle tells is of another place. That may be old news, of
   * another directory of that name: look again, and list.
   */
  vacated(node: PictureNode<T>): void;
  /** Somebody waits for what lies here: look again. */
  poke(node: PictureNode<T>): void;
  /** A directory has been told as new, or may have been replaced: watch it, then list it. */
  entered(node: PictureNode<T>): void;
  /**
   * Names told as new of which nobody knows what they are; and others that may be on a listing by now. `urgent`: what
   * they are decides what is watched, or what is told.
   */
  enquire(node: PictureNode<T>, names: readonly string[], urgent: boolean): void;
  /** What consumers have was modified, or renamed since: it may have been hidden by that, or allowed to us. */
  modified(node: PictureNode<T>, name: string, action: "modified" | "renamed"): void;
}
