import type { Clock } from "../../base/clock.ts";
import { isReplaced, markOf, type PictureNode, TouchLog } from "../picture/index.ts";
import type { DirectoryEntry, DirectorySource } from "../source.ts";
import { LookupQueue } from "./lookup-queue.ts";
import { STAT_AT_MOST } from "./name-lookup.ts";
import type { NameReport, NameServices } from "./unlisted-names.ts";

/**
 * Looks up both names of a rename on the listing of their directory, where a server may tell it to directories that have
 * only one of them. DittoFS 0.29 tells a move between directories to both as one pair, by names alone: the old
 * directory would keep a name for ever that it never had, the new one would lose its own file of the old name. One
 * request a name, or a comparison where they are many, or something is not as told.
 */
export class RenamedNames<T> {
  readonly #source: DirectorySource;
  readonly #services: NameServices<T>;
  readonly #report: NameReport<T>;
  readonly #queue: LookupQueue<PictureNode<T>>;
  /** Which names have been told to be there, and which not to be. */
  readonly #told = new WeakMap<PictureNode<T>, Map<string, boolean>>();

  constructor(
    source: DirectorySource,
    services: NameServices<T>,
    report: NameReport<T>,
    stop: { readonly clock: Clock; readonly signal: AbortSignal },
  ) {
    this.#source = source;
    this.#services = services;
    this.#report = report;
    this.#queue = new LookupQueue(stop.clock, stop.signal, (node, names) => this.#confirm(node, names));
  }

  /** Directories of which names are still to be looked up. */
  get open(): readonly PictureNode<T>[] {
    return this.#queue.open;
  }

  /** Half of a rename. @param exists - it is the new name */
  told(node: PictureNode<T>, name: string, exists: boolean): void {
    if (this.#source.traits.doubtfulRenames !== true || !node.told) return;
    let told = this.#told.get(node);
    if (told === undefined) {
      told = new Map();
      this.#told.set(node, told);
    }
    told.set(name, exists);
    this.#queue.add(node, [name], false);
  }

  /** Never rejects. */
  async #confirm(node: PictureNode<T>, names: readonly string[]): Promise<void> {
    const told = this.#told.get(node);
    this.#told.delete(node);
    const { lookup, signal } = this.#services;
    if (told === undefined || !node.told || !this.#isThere(node)) return;
    if (names.length > STAT_AT_MOST) return this.#report.compare(node);
    const log = new TouchLog();
    node.listen(log);
    try {
      const listed = (await lookup.listed(node.path, names, signal))?.listed;
      if (listed === undefined || !this.#isThere(node)) return;
      const wrong = names.filter(
        (name) => !log.has(name) && isWrong(node, name, told.get(name), listed.get(name)),
      );
      if (wrong.length === 0) return;
      if (node.blind) this.#correct(node, wrong, listed);
      else this.#report.compare(node);
    } catch {
      if (!signal.aborted) this.#report.doubtful(node);
    } finally {
      node.unlisten(log);
    }
  }

  /** What is too large to remember is too large to compare. */
  #correct(
    node: PictureNode<T>,
    names: readonly string[],
    listed: ReadonlyMap<string, DirectoryEntry>,
  ): void {
    const gone = names.filter((name) => !listed.has(name));
    const there = names.flatMap((name) => listed.get(name) ?? []);
    if (gone.length > 0) this.#report.vanished(node, gone);
    if (there.length > 0) this.#report.emerged(node, there);
  }

  #isThere(node: PictureNode<T>): boolean {
    return this.#services.picture.find(node.path) === node;
  }
}

/** Whether consumers think otherwise of a name than its directory's listing. */
function isWrong<T>(
  node: PictureNode<T>,
  name: string,
  told: boolean | undefined,
  entry: DirectoryEntry | undefined,
): boolean {
  // Looked after already.
  if (node.unlisted?.has(name) === true) return false;
  if (node.snapshot === undefined) return told === (entry === undefined);
  const mark = node.snapshot.get(name);
  if (mark === undefined || entry === undefined) return mark !== undefined || entry !== undefined;
  return isReplaced(mark, markOf(entry));
}
