import type { CanonicalPath } from "../base/path.ts";
import type { DirectoryHandle } from "../smb/handle.ts";
import type { ArmOptions, NotifyOutcome as SmbNotifyOutcome } from "../smb/notify.ts";
import type { SmbPool } from "../smb/pool.ts";
import {
  type ArmedNotify,
  type DirectoryEntry,
  type DirectorySource,
  type EntryInfo,
  type NotifyOutcome,
  SourceError,
  type SourceTraits,
  type WatchedDirectory,
} from "../watch/source.ts";
import { sourceError } from "./failure.ts";

interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

/** An SMB share as the watch engine sees it. Decides nothing but what an error means. */
export class SmbDirectorySource implements DirectorySource {
  readonly #pool: SmbPool;

  constructor(pool: SmbPool) {
    this.#pool = pool;
  }

  get traits(): SourceTraits {
    const { server } = this.#pool.info();
    return {
      // Measured on Samba: writes below the top level and local changes there are not reported (facts of
      // Windows are from MS-SMB2; what is neither is treated like Samba, which costs handles, not changes).
      fullRecursion: server?.kind === "windows",
      // Two requests close the gap between an answer and the next one. Samba answers a burst of 20,000
      // creates without loss only so; on Windows each one takes one of few slots, and it buffers anyway.
      notifyDepth: server?.kind === "samba" ? 2 : 1,
      // smbd answers before notifyd has set the inotify watch, which takes longer the more there are.
      settleScanMs: server?.kind === "windows" ? 0 : 1_500,
    };
  }

  async reachable(options: Cancellable): Promise<void> {
    await translated(this.#pool.ready(options));
  }

  async open(path: CanonicalPath, options: Cancellable): Promise<WatchedDirectory> {
    return new SmbWatchedDirectory(await translated(this.#pool.openDirectory(path, options)));
  }

  async *list(path: CanonicalPath, options: Cancellable): AsyncGenerator<readonly DirectoryEntry[], void> {
    try {
      yield* this.#pool.list(path, options);
    } catch (error) {
      throw sourceError(error);
    }
  }

  stat(path: CanonicalPath, options: Cancellable): Promise<EntryInfo> {
    return translated(this.#pool.stat(path, options));
  }
}

class SmbWatchedDirectory implements WatchedDirectory {
  readonly #handle: DirectoryHandle;

  constructor(handle: DirectoryHandle) {
    this.#handle = handle;
  }

  get path(): CanonicalPath {
    return this.#handle.path;
  }

  get info(): EntryInfo {
    return this.#handle.info;
  }

  arm(options: ArmOptions): ArmedNotify {
    const notify = this.#handle.arm(options);
    return {
      accepted: notify.accepted,
      outcome: notify.outcome.then(watchOutcome),
      cancel: () => notify.cancel(),
    };
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

function watchOutcome(outcome: SmbNotifyOutcome): NotifyOutcome {
  if (outcome.type !== "failed") return outcome;
  const error = sourceError(outcome.error);
  return {
    type: "failed",
    error: error instanceof SourceError ? error : new SourceError("unreachable", error.message, error),
  };
}

async function translated<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw sourceError(error);
  }
}
