import { sleep } from "../../base/async.ts";
import { type CanonicalPath, foldCase, joinPath } from "../../base/path.ts";
import { REPARSE_POINT } from "../../watch/picture/index.ts";
import { isStandIn } from "../../watch/rescan/index.ts";
import {
  type ArmedNotify,
  type DirectoryEntry,
  type DirectorySource,
  SourceError,
  type WatchedDirectory,
} from "../../watch/source.ts";
import { type FindingKind, type Help, MEANINGS } from "./check-meanings.ts";

/** What a watch of a directory will not hear of, or not at once, as far as that can be seen without writing. */
export interface Finding {
  readonly kind: FindingKind;
  readonly count: number;
  /** One of the names; of `untold` the directory's path. */
  readonly example: string;
  /** What helps, where an option does. */
  readonly help?: Help;
}

/** As many sub-directories are tried. */
const MOST_OPENED = 50;
/** Longest time for trying them, ms. */
const OPENING_MS = 5_000;
/** What moved a directory's time may still be on its way to us, ms. */
const GRACE_MS = 500;

/** As many names that were told, or look like a stand-in, are looked at. */
const MOST_NAMES = 16;
/** Names that others make on file servers, and that are hidden where anything is. */
const OFTEN_HIDDEN = [
  "lost+found",
  ".recycle",
  "#recycle",
  ".snapshot",
  ".snapshots",
  ".zfs",
  "System Volume Information",
  "$RECYCLE.BIN",
] as const;
const REMOVED = 2;
const OLD_NAME = 4;

/** Looks for what a watch of one directory will not hear, beside the listing of a check. */
export class Lookout {
  readonly #source: DirectorySource;
  readonly #path: CanonicalPath;
  readonly #names = new Map<string, string>();
  readonly #ids = new Set<bigint>();
  readonly #directories: string[] = [];
  readonly #standIns: string[] = [];
  /** What the server spoke of, and was not removed by its last word. */
  readonly #told = new Set<string>();
  readonly #found = new Map<FindingKind, Finding>();
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
    void armed.outcome.then((outcome) => {
      this.#heard = true;
      if (outcome.type !== "records") return;
      for (const { action, name } of outcome.records) {
        if (action === REMOVED || action === OLD_NAME) this.#told.delete(name);
        else this.#told.add(name);
      }
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
      if (isStandIn(name) && this.#standIns.length < MOST_NAMES) this.#standIns.push(name);
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
    for (const name of this.#standIns) {
      if (performance.now() > until) break;
      if ((await this.#look(name, signal)) === "stand-in") this.#find("stand-in", name);
    }
    await this.#findHidden(signal, until);
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

  /** Names that no listing shows, among those that were told and those that are there on many a server. */
  async #findHidden(signal: AbortSignal, until: number): Promise<void> {
    const told = [...this.#told].slice(0, MOST_NAMES);
    const unseen = new Set([...told, ...OFTEN_HIDDEN].filter((name) => !this.#names.has(foldCase(name))));
    if (unseen.size === 0) return;
    for await (const page of this.#source.list(this.#path, { signal, only: [...unseen] })) {
      for (const { name } of page) unseen.delete(name);
    }
    for (const name of unseen) {
      if (performance.now() > until) break;
      const seen = await this.#look(name, signal);
      if (seen === "unreadable") this.#find("unreadable", name);
      else if (seen !== "absent") this.#find("hidden", name, this.#told.has(name));
    }
  }

  /** What a name is when it is asked for by itself. */
  async #look(name: string, signal: AbortSignal): Promise<"itself" | "stand-in" | "unreadable" | "absent"> {
    try {
      const { spelling } = await this.#source.stat(joinPath(this.#path, name), { signal, spelling: true });
      const same = spelling === undefined || foldCase(spelling) === foldCase(name);
      return same ? "itself" : "stand-in";
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      return error.failure === "denied" ? "unreadable" : "absent";
    }
  }

  /** @param helps - the kind's option would help here */
  #find(kind: FindingKind, example: string, helps = true): void {
    const before = this.#found.get(kind);
    const help = helps ? MEANINGS[kind].help : undefined;
    const first = { kind, count: 1, example, ...(help === undefined ? {} : { help }) };
    this.#found.set(kind, before === undefined ? first : { ...before, count: before.count + 1 });
  }
}
