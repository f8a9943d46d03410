import { sleep, throwIfAborted } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import type { CanonicalPath } from "../../base/path.ts";
import { scans } from "../facts.ts";
import type { Breather, Gate } from "../pacing.ts";
import { REPARSE_POINT, Snapshot } from "../picture/index.ts";
import type { DirectorySource } from "../source.ts";

/** Names a set of listings may still remember. */
export interface Budget {
  left: number;
  /** Sub-directories are wanted even of a directory that is too large. */
  readonly directories: boolean;
}

export interface Listing {
  readonly snapshot: Snapshot;
  /** Sub-directories, reparse points left out, and their file ids. */
  readonly directories: ReadonlyMap<string, bigint | undefined>;
  /** Last write of the directory itself, from before anything of it was read (FILETIME). */
  readonly modified: bigint;
  /** The budget did not suffice: `snapshot` is empty, and so is `directories` unless they were wanted. */
  readonly tooLarge: boolean;
}

export interface ScanOptions {
  readonly signal: AbortSignal;
  /** There were many entries the last time. */
  readonly large: boolean;
  /** Called when the first request is about to leave. */
  readonly begun: () => void;
}

export interface ScannerOptions {
  /** For facts. */
  readonly label: string;
  /** 0: as fast as the server answers. */
  readonly entriesPerSecond: number;
}

/** Progress is told about this often. */
const ENTRIES_PER_FACT = 5_000;

/** Lists directories: page by page, abortable, a bounded number at a time. */
export class Scanner {
  readonly #source: DirectorySource;
  readonly #gate: Gate;
  readonly #clock: Clock;
  readonly #breather: Breather;
  readonly #options: ScannerOptions;

  constructor(
    source: DirectorySource,
    gate: Gate,
    clock: Clock,
    breather: Breather,
    options: ScannerOptions,
  ) {
    this.#source = source;
    this.#gate = gate;
    this.#clock = clock;
    this.#breather = breather;
    this.#options = options;
  }

  /** @throws SourceError, AbortedError */
  async list(path: CanonicalPath, budget: Budget, { signal, large, begun }: ScanOptions): Promise<Listing> {
    const leave = await this.#gate.enter(signal);
    const started = this.#clock.monotonic();
    const directories = new Map<string, bigint | undefined>();
    let modified: bigint | undefined;
    const onOpened = (directory: { readonly modified: bigint }): void => {
      modified = directory.modified;
    };
    let snapshot = new Snapshot();
    let tooLarge = false;
    let read = 0;
    const fact = (phase: "started" | "progress" | "finished" | "failed"): void =>
      scans.publish({
        connection: this.#options.label,
        path,
        phase,
        entries: read,
        elapsedMs: this.#clock.monotonic() - started,
      });
    fact("started");
    try {
      begun();
      let told = 0;
      pages: for await (const page of this.#source.list(path, { signal, onOpened, large })) {
        throwIfAborted(signal);
        for (const entry of page) {
          if (!tooLarge && budget.left <= 0) {
            tooLarge = true;
            snapshot = new Snapshot();
            if (!budget.directories) {
              directories.clear();
              break pages;
            }
          }
          if (!tooLarge) {
            budget.left--;
            snapshot.put(entry);
          }
          if (entry.type === "directory" && (entry.attributes & REPARSE_POINT) === 0) {
            directories.set(entry.name, entry.fileId);
          }
        }
        read += page.length;
        if (read - told >= ENTRIES_PER_FACT) {
          told = read;
          fact("progress");
        }
        await this.#breather.after(page.length, signal);
        const { entriesPerSecond } = this.#options;
        if (entriesPerSecond > 0) {
          await sleep((page.length / entriesPerSecond) * 1_000, { signal, clock: this.#clock });
        }
      }
      // To take any stamp for the right one would be to say that nothing has happened.
      if (modified === undefined)
        throw new Error(`the listing of ${path} did not say when it was last written`);
      fact("finished");
      return { snapshot: snapshot.compact(), directories, modified, tooLarge };
    } catch (error) {
      fact("failed");
      throw error;
    } finally {
      leave();
    }
  }
}
