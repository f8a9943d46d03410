import { type CanonicalPath, isWithin } from "../base/path.ts";
import { Watcher } from "./watcher.ts";
import type { WatcherServices, WatcherSpec, WatcherView } from "./watcher-port.ts";

/** All watchers of a share: which are there, which an interest has to wait for, which are in trouble. */
export class Roster {
  readonly #key: (path: CanonicalPath) => string;
  readonly #watchers = new Set<Watcher>();
  readonly #closing = new Set<Promise<void>>();
  /** Not yet live for the first time, nor refused for good. */
  readonly #unsettled = new Set<WatcherView>();
  /** Directories that cannot be watched, and why. */
  readonly #troubled = new Map<WatcherView, string>();
  /** The same inside recursive handles, by key. */
  readonly #skipped = new Map<string, string>();

  constructor(key: (path: CanonicalPath) => string) {
    this.#key = key;
  }

  get size(): number {
    return this.#watchers.size;
  }

  enlist(spec: WatcherSpec, services: WatcherServices): Watcher {
    const watcher = new Watcher(spec, services);
    this.#watchers.add(watcher);
    this.#unsettled.add(watcher);
    return watcher;
  }

  /** Closes a watcher. Returns whether an interest's state may depend on that. */
  dismiss(watcher: Watcher): boolean {
    if (!this.#watchers.delete(watcher)) return false;
    const awaited = this.#unsettled.delete(watcher);
    const troubled = this.#troubled.delete(watcher);
    const ended = watcher.close().finally(() => this.#closing.delete(ended));
    this.#closing.add(ended);
    return awaited || troubled;
  }

  /** Takes note of a watcher's new status. */
  note(watcher: WatcherView): void {
    const { state, error } = watcher.status;
    if (watcher.settled) this.#unsettled.delete(watcher);
    if (state === "denied" || state === "degraded") {
      this.#troubled.set(watcher, `${watcher.spec.path}: ${error?.message ?? state}`);
    } else this.#troubled.delete(watcher);
  }

  /** A directory inside a recursive handle cannot be listed, or can again. */
  trouble(path: CanonicalPath, text: string | undefined): void {
    if (text === undefined) this.#skipped.delete(this.#key(path));
    else this.#skipped.set(this.#key(path), `${path}: ${text}`);
  }

  /** Whether a watcher at or below `path` has not given its first answer. */
  isAwaited(path: CanonicalPath): boolean {
    const key = this.#key(path);
    for (const { spec } of this.#unsettled) if (isWithin(key, this.#key(spec.path))) return true;
    return false;
  }

  /** What is wrong below `path`, in one clause. */
  troubleBelow(path: CanonicalPath): string | undefined {
    const key = this.#key(path);
    for (const [{ spec }, trouble] of this.#troubled) {
      const other = this.#key(spec.path);
      if (other !== key && isWithin(key, other)) return trouble;
    }
    for (const [other, trouble] of this.#skipped) if (isWithin(key, other)) return trouble;
    return undefined;
  }

  async close(): Promise<void> {
    for (const watcher of [...this.#watchers]) this.dismiss(watcher);
    while (this.#closing.size > 0) await Promise.allSettled(this.#closing);
  }
}
