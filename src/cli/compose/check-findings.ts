import { sleep } from "../../base/async.ts";
import { type CanonicalPath, foldCase, joinPath } from "../../base/path.ts";
import { REPARSE_POINT } from "../../watch/picture/index.ts";
import {
  type ArmedNotify,
  type DirectoryEntry,
  type DirectorySource,
  SourceError,
  type WatchedDirectory,
} from "../../watch/source.ts";

/** What a watch of a directory will not hear of, or not at once, as far as that can be seen without writing. */
export interface Finding {
  /**
   * - `untold`: the directory's last write moved during the check, and the server told nothing.
   * - `refused`: sub-directories that the account may not open.
   * - `case`: names that differ by case only.
   * - `link`: links, and directories that are another one's second name.
   */
  readonly kind: "untold" | "refused" | "case" | "link";
  readonly count: number;
  /** One of the names; of `untold` the directory's path. */
  readonly example: string;
}

/** What each means for a watch, and what helps. */
export const MEANINGS: Readonly<Record<Finding["kind"], string>> = {
  untold:
    "the server does not tell all changes: names that come and go are found by looking, within a minute; new content needs rescanMinutes",
  refused: "not heard, and a recursive watch is degraded: let the account list it, or watch elsewhere",
  case: "watched as they are listed; set caseSensitive: true where the share tells them apart",
  link: "told; a link is entered only where the server shows it as a directory, and none that leads back to one above it",
};

/** As many sub-directories are tried. */
const MOST_OPENED = 50;
/** Longest time for trying them, ms. */
const OPENING_MS = 5_000;
/** What moved a directory's time may still be on its way to us, ms. */
const GRACE_MS = 500;

/** Looks for what a watch of one directory will not hear, beside the listing of a check. */
export class Lookout {
  readonly #source: DirectorySource;
  readonly #path: CanonicalPath;
  readonly #names = new Map<string, string>();
  readonly #ids = new Set<bigint>();
  readonly #directories: string[] = [];
  readonly #found = new Map<Finding["kind"], Finding>();
  #held:
    | { readonly directory: WatchedDirectory; readonly armed: ArmedNotify; readonly since: number }
    | undefined;
  #modified: bigint | undefined;
  #heard = false;

  constructor(source: DirectorySource, path: CanonicalPath) {
    this.#source = source;
    this.#path = path;
  }

  /** From now on the server should tell. @throws SourceError, AbortedError */
  async begin(signal: AbortSignal): Promise<void> {
    const directory = await this.#source.open(this.#path, { signal });
    const armed = directory.arm({ recursive: false, filter: 0x1f });
    this.#held = { directory, armed, since: performance.now() };
    void armed.outcome.then(() => {
      this.#heard = true;
    });
    if (directory.info.fileId !== undefined) this.#ids.add(directory.info.fileId);
    if (!(await Promise.race([armed.accepted, sleep(GRACE_MS, { signal }).then(() => false)]))) return;
    this.#modified = (await this.#source.stat(this.#path, { signal })).modified;
  }

  /** Takes note of what is listed. */
  see(entries: readonly DirectoryEntry[]): void {
    for (const { name, type, attributes, fileId } of entries) {
      const folded = foldCase(name);
      if (this.#names.has(folded)) this.#find("case", name);
      this.#names.set(folded, name);
      if (type !== "directory") continue;
      const again = fileId !== undefined && this.#ids.has(fileId);
      if (fileId !== undefined) this.#ids.add(fileId);
      if ((attributes & REPARSE_POINT) !== 0 || again) this.#find("link", name);
      else if (this.#directories.length < MOST_OPENED) this.#directories.push(name);
    }
  }

  /** What was found. @throws SourceError, AbortedError */
  async finish(signal: AbortSignal): Promise<readonly Finding[]> {
    const until = performance.now() + OPENING_MS;
    for (const name of this.#directories) {
      if (performance.now() > until) break;
      if (await this.#isRefused(name, signal)) this.#find("refused", name);
    }
    if (this.#modified !== undefined && !this.#heard) {
      const { modified } = await this.#source.stat(this.#path, { signal });
      if (modified !== this.#modified) {
        await sleep(GRACE_MS, { signal });
        if (!this.#heard) this.#find("untold", this.#path);
      }
    }
    return [...this.#found.values()];
  }

  /**
   * Whether the request of the beginning has been refused by the time it is `ms` old: what can watch keeps it.
   * @throws AbortedError
   */
  async refusedWithin(ms: number, signal: AbortSignal): Promise<boolean> {
    const held = this.#held;
    if (held === undefined) return false;
    const late = sleep(Math.max(0, held.since + ms - performance.now()), { signal }).then(() => undefined);
    return (await Promise.race([held.armed.outcome, late]))?.type === "failed";
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#heard = true;
    await this.#held?.directory.close();
  }

  async #isRefused(name: string, signal: AbortSignal): Promise<boolean> {
    try {
      await (await this.#source.open(joinPath(this.#path, name), { signal })).close();
      return false;
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      return error.failure === "denied";
    }
  }

  #find(kind: Finding["kind"], example: string): void {
    const before = this.#found.get(kind);
    this.#found.set(
      kind,
      before === undefined ? { kind, count: 1, example } : { ...before, count: before.count + 1 },
    );
  }
}
