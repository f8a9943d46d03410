import type { CanonicalPath } from "../../base/path.ts";
import type { PictureNode } from "../picture/index.ts";
import { type DirectorySource, type EntryInfo, SourceError } from "../source.ts";

/** Times of one directory, read twice, differ where somebody writes in between. */
const TRIES = 3;

/**
 * Directories that are one of those above them: Samba follows symbolic links by itself and shows them as what they lead
 * to, so that `ln -s . latest` can be walked for ever (40 levels, seen with 4.17). The file id tells: a link has that of
 * its target. What leads elsewhere, to a sibling for example, is no loop.
 */
export class LinkLoops {
  readonly #source: Pick<DirectorySource, "stat">;

  constructor(source: Pick<DirectorySource, "stat">) {
    this.#source = source;
  }

  /** @throws SourceError `denied` for a directory that leads back; AbortedError */
  async refuse<T>(node: PictureNode<T>, signal: AbortSignal): Promise<void> {
    const to = await this.#leadsTo(node, signal);
    if (to === undefined) return;
    throw new SourceError("denied", `leads back to ${to}: followed there, not here`);
  }

  async #leadsTo<T>(node: PictureNode<T>, signal: AbortSignal): Promise<CanonicalPath | undefined> {
    const own = await this.#idOf(node, signal);
    if (own === undefined) return undefined;
    for (let above = node.parent; above !== undefined; above = above.parent) {
      if ((await this.#idOf(above, signal)) !== own) continue;
      if (await this.#areOne(node.path, above.path, signal)) return above.path;
    }
    return undefined;
  }

  /** Of directories that somebody has opened or listed it is known; those above an interest are asked once. */
  async #idOf<T>(node: PictureNode<T>, signal: AbortSignal): Promise<bigint | undefined> {
    if (node.fileId === undefined) {
      node.fileId = (await this.#look(node.path, signal))?.fileId ?? "none";
    }
    return node.fileId === "none" ? undefined : node.fileId;
  }

  /** A server that gives many one id must not make us blind: the creation is compared too, both read at once. */
  async #areOne(one: CanonicalPath, other: CanonicalPath, signal: AbortSignal): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      const [a, b] = await Promise.all([this.#look(one, signal), this.#look(other, signal)]);
      if (a === undefined || b === undefined || a.fileId !== b.fileId) return false;
      if (a.created === b.created) return true;
      if (tries === TRIES) return false;
    }
  }

  async #look(path: CanonicalPath, signal: AbortSignal): Promise<EntryInfo | undefined> {
    try {
      return await this.#source.stat(path, { signal });
    } catch (error) {
      const absent = error instanceof SourceError && ["gone", "denied", "bad-path"].includes(error.failure);
      if (absent) return undefined;
      throw error;
    }
  }
}
