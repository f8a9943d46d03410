import { type CanonicalPath, isWithin, joinPath, pathKey } from "../base/path.ts";
import type {
  ArmedNotify,
  EntryInfo,
  NotifyOutcome,
  NotifyRecord,
  WatchedDirectory,
} from "../watch/source.ts";

const MODIFIED = 3;

/**
 * A directory of a share as the recursive handle on the share's root hears it. A handle on the directory itself would
 * keep others from removing it, and on some servers from renaming anything above it.
 */
export class DirectoryFromAbove implements WatchedDirectory {
  readonly path: CanonicalPath = "/";
  readonly info: EntryInfo;
  readonly #root: WatchedDirectory;
  readonly #key: CanonicalPath;

  /** `prefix` is where the directory lies in the share; `info` says which it is. */
  constructor(root: WatchedDirectory, prefix: CanonicalPath, info: EntryInfo) {
    this.#root = root;
    this.#key = pathKey(prefix, false);
    this.info = info;
  }

  arm(options: Parameters<WatchedDirectory["arm"]>[0]): ArmedNotify {
    const notify = this.#root.arm(options);
    return {
      accepted: notify.accepted,
      outcome: notify.outcome.then((outcome) => this.#below(outcome)),
      cancel: () => notify.cancel(),
    };
  }

  get recalled(): Promise<void> | undefined {
    return this.#root.recalled;
  }

  close(): Promise<void> {
    return this.#root.close();
  }

  #below(outcome: NotifyOutcome): NotifyOutcome {
    if (outcome.type !== "records") return outcome;
    const records: NotifyRecord[] = [];
    for (const record of outcome.records) {
      const key = pathKey(joinPath("/", record.name), false);
      if (key !== this.#key && isWithin(this.#key, key)) {
        // Folding keeps the number of segments, but not the length of each.
        const depth = this.#key.split("/").length - 1;
        records.push({ ...record, name: record.name.split("/").slice(depth).join("/") });
      } else if (isWithin(key, this.#key) && record.action !== MODIFIED) {
        // It, or what it lies in, came or went: whether it is still there shows when it is opened again.
        return { type: "cleanup" };
      }
    }
    return { ...outcome, records };
  }
}
