import type { Listing } from "../../../src/fleet/port.ts";
import type { ShareWatch, WatchHandle, WatchSink } from "../../../src/watch/api.ts";
import type { PublicState, WatchEvent } from "../../../src/watch/events.ts";
import type { Interest } from "../../../src/watch/interest.ts";
import { SourceError } from "../../../src/watch/source.ts";
import type { ConnectionRuntime } from "../../../src/worker/runtime.ts";

interface FakeWatch {
  readonly interest: Interest;
  readonly sink: WatchSink;
  state: PublicState | "starting";
}

/**
 * A share in memory with the semantics that matter here: one set of files behind several workers, a watch hears of
 * what happens after it is armed, and nothing else.
 */
export class FakeShare {
  readonly #watches = new Set<FakeWatch>();
  readonly names: Map<string, Set<string>> = new Map();
  /** Directories that refuse. */
  readonly refuses: Map<string, "gone" | "denied" | "not-a-directory"> = new Map();
  /** Milliseconds until a new watch is armed. */
  armMs = 5;
  /** Whether watches are in no doubt of anything. */
  sure = true;
  /** A new watch is live, and says so, before whoever asks for it has it in hand: others watch there already. */
  liveAtOnce = false;
  /** Every interest ever begun, for assertions. */
  readonly begun: string[] = [];

  runtime(name = "nas1", options: { readonly caseSensitive?: boolean } = {}): ConnectionRuntime {
    return {
      name,
      caseSensitive: options.caseSensitive ?? false,
      sourceUrl: "smb://server/share",
      quietMs: 30,
      watches: this.#shareWatch(),
      list: async ({ path, after = "", limit = 1_000 }): Promise<Listing> => {
        const refused = this.refuses.get(path);
        if (refused !== undefined) throw new SourceError(refused, `${path}: ${refused}`);
        const names = [...(this.names.get(path) ?? [])].sort().filter((name) => name > after);
        const entries = names.slice(0, limit).map((entry) => ({
          name: entry,
          type: "file" as const,
          size: 0,
          modified: "2026-01-01T00:00:00.000Z",
        }));
        const last = entries.at(-1);
        return names.length > limit && last ? { entries, next: last.name } : { entries };
      },
      close: async () => undefined,
    };
  }

  /** Live watches on this path. */
  armed(path: string): number {
    return [...this.#watches].filter((watch) => watch.interest.path === path && watch.state === "live")
      .length;
  }

  add(directory: string, name: string): void {
    const names = this.names.get(directory) ?? new Set();
    this.names.set(directory, names.add(name));
    this.emit({ type: "changes", path: directory, via: "notify", changes: [{ action: "added", name }] });
  }

  remove(directory: string, name: string): void {
    this.names.get(directory)?.delete(name);
    this.emit({ type: "changes", path: directory, via: "notify", changes: [{ action: "removed", name }] });
  }

  emit(event: WatchEvent, told?: number): void {
    for (const watch of this.#watches) {
      if (watch.state === "live" && reaches(watch.interest, event.path)) watch.sink(event, told);
    }
  }

  setState(path: string, state: PublicState, error?: string): void {
    for (const watch of this.#watches) {
      if (watch.interest.path !== path) continue;
      watch.state = state;
      watch.sink({ type: "state", path, state, mode: "notify", ...(error ? { error } : {}) });
    }
  }

  #shareWatch(): ShareWatch {
    return {
      watch: (interest, sink) => this.#watch(interest, sink),
      close: async () => undefined,
    };
  }

  #watch(interest: Interest, sink: WatchSink): WatchHandle {
    const watch: FakeWatch = { interest, sink, state: "starting" };
    this.#watches.add(watch);
    this.begun.push(`${interest.path}${interest.recursive ? "/**" : ""}`);
    const live = new Promise<void>((resolve, reject) => {
      setTimeout(() => {
        const refused = this.refuses.get(interest.path);
        if (refused === undefined) {
          watch.state = "live";
          resolve();
        } else {
          watch.state = refused === "denied" ? "denied" : "gone";
          reject(new SourceError(refused, `${interest.path}: ${refused}`));
        }
      }, this.armMs);
    });
    live.catch(() => undefined);
    if (this.liveAtOnce) {
      watch.state = "live";
      sink({ type: "state", path: interest.path, state: "live", mode: "notify" });
    }
    const isSure = (): boolean => this.sure;
    return {
      interest,
      get state() {
        return watch.state;
      },
      get sure() {
        return isSure();
      },
      mode: "notify",
      live,
      close: async () => {
        this.#watches.delete(watch);
      },
    };
  }
}

function reaches(interest: Interest, path: string): boolean {
  if (path === interest.path) return true;
  if (!interest.recursive) return false;
  return interest.path === "/" || path.startsWith(`${interest.path}/`);
}
