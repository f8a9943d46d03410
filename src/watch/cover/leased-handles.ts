import { ignoreRejection } from "../../base/async.ts";
import { segmentsOf } from "../../base/path.ts";
import { LeasedHandle, type LeasedHandleHost } from "../handle/index.ts";
import type { ResolvedOptions, Surroundings } from "../options.ts";
import { Pacer } from "../pacing.ts";
import type { Picture, PictureNode } from "../picture/index.ts";
import type { DirectorySource } from "../source.ts";

/** Thousands are opened without anybody noticing. */
const OPENED_PER_SECOND = 100;

/** What each handle needs besides what all of them share. */
type LeasedHandleOwner = Pick<LeasedHandleHost, "told" | "compare" | "heardAt">;

/** Leased handles beside the recursive one, on every directory that is watched, where the server gives leases. */
export class LeasedHandles<T> {
  readonly #source: DirectorySource;
  readonly #options: ResolvedOptions;
  readonly #surroundings: Surroundings;
  readonly #picture: Picture<T>;
  readonly #hostFor: (node: PictureNode<T>) => LeasedHandleOwner;
  readonly #turns: Pacer;
  readonly #stop = new AbortController();
  /** By directory; `undefined` as long as the server has not said that it gives leases. */
  readonly #held = new Map<PictureNode<T>, LeasedHandle | undefined>();
  readonly #closing = new Set<Promise<void>>();
  /** Monotonic ms by directory of the root: when a handle below was last wanted back. */
  readonly #recalledAt = new Map<string, number>();
  #granted = false;
  #askedAt: number | undefined;

  constructor(
    source: DirectorySource,
    options: ResolvedOptions,
    surroundings: Surroundings,
    picture: Picture<T>,
    hostFor: (node: PictureNode<T>) => LeasedHandleOwner,
  ) {
    this.#source = source;
    this.#options = options;
    this.#surroundings = surroundings;
    this.#picture = picture;
    this.#hostFor = hostFor;
    this.#turns = new Pacer(surroundings.clock, OPENED_PER_SECOND);
  }

  /** Handles held now. */
  get size(): number {
    let size = 0;
    for (const handle of this.#held.values()) if (handle?.info !== undefined) size++;
    return size;
  }

  at(node: PictureNode<T>): LeasedHandle | undefined {
    return this.#held.get(node);
  }

  /** The directory is watched, and has been listed. */
  follow(node: PictureNode<T>): void {
    if (this.#stop.signal.aborted) return;
    if (!this.#held.has(node)) {
      if (this.#held.size >= this.#options.maxHandles) return;
      this.#held.set(node, undefined);
    }
    if (this.#granted) this.#hold(node);
    else this.#ask();
  }

  /** It is not watched any more, or not where it was. */
  leave(node: PictureNode<T>): void {
    const handle = this.#held.get(node);
    this.#held.delete(node);
    if (handle !== undefined) this.#end(handle);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const node of [...this.#held.keys()]) this.leave(node);
    while (this.#closing.size > 0) await Promise.allSettled(this.#closing);
  }

  #hold(node: PictureNode<T>): void {
    if (this.#held.get(node) !== undefined) return;
    const { source, clock, random, turns } = {
      ...this.#surroundings,
      source: this.#source,
      turns: this.#turns,
    };
    const { filter, refreshMinutes } = this.#options;
    const services = { source, clock, random, turns, filter, refreshMinutes };
    const top = segmentsOf(node.path)[0] ?? "";
    const host = {
      ...this.#hostFor(node),
      refused: () => this.#ask(),
      recalled: () => void this.#recalledAt.set(top, clock.monotonic()),
      recalledNearbyAt: () => this.#recalledAt.get(top),
    };
    const handle = new LeasedHandle(node.path, services, host);
    this.#held.set(node, handle);
    handle.start();
  }

  /**
   * Asks for a lease on the root, which nobody can remove or rename: to try it on another directory would be to be in
   * the way of others where none is given.
   */
  #ask(): void {
    const now = this.#surroundings.clock.monotonic();
    if (this.#askedAt !== undefined && now - this.#askedAt < this.#options.refreshMinutes * 60_000) return;
    this.#askedAt = now;
    const asked = this.#probe(this.#stop.signal);
    const done = asked.finally(() => this.#closing.delete(done));
    this.#closing.add(done);
    ignoreRejection(done);
  }

  async #probe(signal: AbortSignal): Promise<void> {
    const root = await this.#source.open("/", { signal, recursive: true, lease: true });
    this.#granted = root.recalled !== undefined;
    await root.close();
    if (signal.aborted) return;
    for (const [node, handle] of [...this.#held]) {
      if (this.#picture.find(node.path) !== node) this.leave(node);
      else if (this.#granted) this.#hold(node);
      else if (handle !== undefined) {
        this.#held.set(node, undefined);
        this.#end(handle);
      }
    }
  }

  #end(handle: LeasedHandle): void {
    const ended = handle.close().finally(() => this.#closing.delete(ended));
    this.#closing.add(ended);
  }
}
