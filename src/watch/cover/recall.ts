import type { CheckpointDirectory, Picture, PictureNode } from "../picture/index.ts";

/**
 * An earlier owner told of names while we listened as well. What came and went without a word of the server between two of
 * our own looks, he may have found in one of his: consumers have it, and we have never heard of it. Takes such names into the
 * picture; `compare` gets the directories in which there are some.
 */
export function recallTold<T>(
  picture: Picture<T>,
  told: readonly CheckpointDirectory[],
  compare: (node: PictureNode<T>) => void,
): void {
  for (const { path, snapshot } of told) {
    const node = picture.find(path);
    if (snapshot === undefined || node?.snapshot === undefined) continue;
    let unheardOf = false;
    for (const [name] of snapshot.entries()) {
      if (node.snapshot.has(name) || node.isConcealed(name)) continue;
      // As if it had just been told: listings under way say nothing of it.
      node.apply({ action: "added", name });
      unheardOf = true;
    }
    if (unheardOf) compare(node);
  }
}
