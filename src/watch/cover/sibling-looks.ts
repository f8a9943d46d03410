import type { Pacer } from "../pacing.ts";
import { type PictureNode, REPARSE_POINT } from "../picture/index.ts";
import type { DirectorySource } from "../source.ts";

/** From so many on, one listing of the directory above costs less than a request for each. */
const MANY = 8;
/** A listing in which fewer than one in so many is of interest does not. */
const SPARSE = 20;
/** So many entries of a listing are paced as one request. */
const ENTRIES_PER_TURN = 200;
/** Times of a listing that were found to be wrong, after which that directory is not listed for them any more. */
const MISLEADING = 8;

/** Directories that lie in the same one. */
export interface Family<T> {
  readonly parent: PictureNode<T> | undefined;
  readonly children: PictureNode<T>[];
}

export function families<T>(nodes: Iterable<PictureNode<T>>): Iterable<Family<T>> {
  const found = new Map<PictureNode<T> | undefined, Family<T>>();
  for (const node of nodes) {
    const family = found.get(node.parent);
    if (family === undefined) found.set(node.parent, { parent: node.parent, children: [node] });
    else family.children.push(node);
  }
  return found.values();
}

export interface SiblingLooksHost<T> {
  /** The directory at its path is this one now. */
  seen(node: PictureNode<T>, fileId: bigint | undefined): void;
  /** It was listed so soon after it was written to that its last write proves nothing. */
  racy(node: PictureNode<T>): boolean;
  /** The listing failed. @throws what nobody can go on from */
  failed(error: unknown): void;
}

/**
 * Asks for the last writes of many directories at once, by listing the one in which they lie: ten thousand cost as much as
 * a hundred asked one by one. Only "nothing has happened" is believed: every other is asked for by its own path.
 */
export class SiblingLooks<T> {
  readonly #source: DirectorySource;
  readonly #pacer: Pacer;
  readonly #signal: AbortSignal;
  readonly #host: SiblingLooksHost<T>;
  /** Directories whose listings say other times than their children, and how often that was found. */
  readonly #misleading = new WeakMap<PictureNode<T>, number>();
  /** What a listing said, and is being asked for. */
  readonly #said = new WeakMap<PictureNode<T>, bigint>();

  constructor(source: DirectorySource, pacer: Pacer, signal: AbortSignal, host: SiblingLooksHost<T>) {
    this.#source = source;
    this.#pacer = pacer;
    this.#signal = signal;
    this.#host = host;
  }

  /** Returns those that are still to be asked for. @throws AbortedError, and what `failed` does */
  async look(
    parent: PictureNode<T> | undefined,
    children: readonly PictureNode<T>[],
  ): Promise<Iterable<PictureNode<T>>> {
    if (parent === undefined || !this.#pays(parent, children.length)) return children;
    const left = new Map(children.map((node) => [node.name, node]));
    try {
      let read = ENTRIES_PER_TURN;
      for await (const page of this.#source.list(parent.path, { signal: this.#signal, large: true })) {
        for (const { name, type, attributes, fileId, modified } of page) {
          const node = left.get(name);
          if (node === undefined || type !== "directory" || (attributes & REPARSE_POINT) !== 0) continue;
          if (fileId !== undefined && node.fileId !== undefined && node.fileId !== fileId) continue;
          if (modified !== node.dirModified) this.#said.set(node, modified);
          else if (!this.#host.racy(node)) {
            left.delete(name);
            this.#host.seen(node, fileId);
          }
        }
        for (read += page.length; read >= ENTRIES_PER_TURN; read -= ENTRIES_PER_TURN)
          await this.#pacer.turn(this.#signal);
      }
    } catch (error) {
      this.#host.failed(error);
    }
    return left.values();
  }

  /** The directory itself says that it was last written to at `modified`. */
  asked(node: PictureNode<T>, modified: bigint): void {
    const said = this.#said.get(node);
    this.#said.delete(node);
    if (said === undefined || said === modified || node.parent === undefined) return;
    // It may have been written to in between; a listing whose times differ by their nature is wrong again and again.
    if (modified === node.dirModified)
      this.#misleading.set(node.parent, (this.#misleading.get(node.parent) ?? 0) + 1);
  }

  #pays(parent: PictureNode<T>, children: number): boolean {
    if (children < MANY || (this.#misleading.get(parent) ?? 0) >= MISLEADING) return false;
    return (parent.snapshot?.size ?? Number.POSITIVE_INFINITY) <= children * SPARSE;
  }
}
