import type { Clock } from "../../base/clock.ts";
import { baseName, type CanonicalPath, joinPath, parentOf } from "../../base/path.ts";
import type { Change, ChangesEvent, Via } from "../events.ts";
import { type ProbeOutcome, readies } from "../facts.ts";
import type { ResolvedReady } from "../ready-options.ts";
import { type EntryInfo, type ProbedFile, SourceError } from "../source.ts";
import { Candidates } from "./candidates.ts";
import { DeferredDirectories } from "./deferred-directories.ts";
import { DueQueue } from "./due-queue.ts";
import { FileTable } from "./file-table.ts";
import type { Prober } from "./prober.ts";
import { isSame, MOST_TOLD, type ReadyRecord, type ToldFile, toldAs } from "./record.ts";
import { outcomeOf, type Seen, seenAs, verdictOn } from "./verdict.ts";
import type { WaitingRoom } from "./waiting-room.ts";

/** While a file stays open, or empty, or cannot be asked about. */
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000];
/** No file is asked about more often. */
const SHORTEST_MS = 1_000;
/** A change was heard of at most so long after it was made, where the server told it. */
const HEARD_MS = 60_000;

export interface ReadyTrackerContext {
  readonly options: ResolvedReady;
  readonly prober: Prober;
  /** Of all trackers of the share. */
  readonly room: WaitingRoom;
  readonly clock: Clock;
  readonly caseSensitive: boolean;
  /** Which connection this is, in facts. */
  readonly label: string;
  /** Tells a file. Must not throw. */
  readonly tell: (event: ChangesEvent) => void;
  /** What is waited for has changed. Must not throw. */
  readonly onWaiting?: () => void;
  /** There are files that have no room now, or there are none any more. Must not throw. */
  readonly onDeferred?: () => void;
}

/** A file that changed, and has not been told since. `quiet -> asking -> (quiet | told | forgotten)`. */
interface Waiting {
  readonly path: CanonicalPath;
  via: Via;
  /** First change since it was told last. Monotonic ms, as all here. */
  readonly since: number;
  changedAt: number;
  /** When it is looked at next; `undefined` while it is. */
  due: number | undefined;
  /** Of the queue's entries for it the one that counts. */
  queued: number | undefined;
  /** Looks in a row that found it open, empty or not to be asked about. */
  pauses: number;
  lookedAt: number;
  seen: Seen | undefined;
  gone: boolean;
}

/**
 * Which files of one interest are ready: quiet for `quietMs`, and not open for writing where the server can say. It hears
 * every change that is told, and tells each file once per content: file id, size and time of the last write.
 */
export class ReadyTracker {
  readonly #context: ReadyTrackerContext;
  readonly #candidates: Candidates;
  readonly #waiting: FileTable<Waiting>;
  readonly #told: FileTable<ToldFile>;
  readonly #deferred: DeferredDirectories;
  readonly #due = new DueQueue<Waiting>();
  readonly #stop = new AbortController();
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;

  constructor(context: ReadyTrackerContext, key: (path: CanonicalPath) => string) {
    this.#context = context;
    this.#candidates = new Candidates(context.options.ignore, context.caseSensitive);
    this.#waiting = new FileTable(key);
    this.#told = new FileTable(key);
    this.#deferred = new DeferredDirectories({
      ...{ room: context.room, clock: context.clock, key, stop: this.#stop.signal },
      list: (path, signal) => context.prober.list(path, signal),
      isWanted: (path, entry) => this.#candidates.has(path) && !this.#isTold(toldAs(path, entry)),
      wait: (path) => this.#waiting.get(path) !== undefined || this.#enter(path, "rescan", 0),
      onCount: (by) => {
        this.#publish({ deferred: by });
        context.onDeferred?.();
      },
    });
  }

  /** Directories with files that are waited for once there is room. */
  get deferred(): number {
    return this.#deferred.size;
  }

  get record(): ReadyRecord {
    const now = this.#context.clock.monotonic();
    return {
      waiting: [...this.#waiting.values()].map(({ path, since }) => ({ path, ageMs: now - since })),
      told: [...this.#told.values()],
      ...this.#deferred.record,
    };
  }

  /** Files that no look since their last change has found open, empty, or not to be asked about. */
  get undecided(): number {
    let count = this.#deferred.size;
    for (const { pauses } of this.#waiting.values()) if (pauses === 0) count++;
    return count;
  }

  /** What an earlier owner waited for, and had told. What is known here already is newer. */
  adopt({ waiting, told, deferred = [] }: ReadyRecord): void {
    for (const each of told) if (this.#told.get(each.path) === undefined) this.#remember(each);
    for (const { path, ageMs } of waiting) {
      if (this.#waiting.get(path) === undefined) this.#wait(path, "rescan", ageMs);
    }
    this.#deferred.adopt(deferred);
    this.#schedule();
  }

  hear({ path: directory, via, changes }: ChangesEvent): void {
    if (this.#stop.signal.aborted) return;
    for (const change of changes) this.#take(directory, via, change);
    this.#schedule();
  }

  /** Nothing is told any more. */
  close(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#timer?.cancel();
    this.#deferred.close();
    this.#leave(this.#waiting.size);
    for (const file of this.#waiting.values()) file.gone = true;
    this.#waiting.clear();
    this.#told.clear();
    this.#due.clear();
  }

  #take(directory: CanonicalPath, via: Via, change: Change): void {
    const path = joinPath(directory, change.name);
    switch (change.action) {
      case "ready":
        return;
      case "removed":
        this.#forget(path);
        return;
      case "renamed": {
        const from = joinPath(directory, change.oldName ?? "");
        // What had this name is no more.
        this.#forget(path);
        this.#deferred.move(from, path);
        for (const below of this.#forget(from))
          if (below.path.length > from.length) this.#wait(path + below.path.slice(from.length), via);
        if (change.type !== "directory") this.#wait(path, via);
        return;
      }
      default:
        if (change.type !== "directory" && change.stream !== true) this.#wait(path, via);
    }
  }

  #wait(path: CanonicalPath, via: Via, ageMs = 0): void {
    if (!this.#candidates.has(path)) return;
    const now = this.#context.clock.monotonic();
    const known = this.#waiting.get(path);
    if (known === undefined) {
      if (!this.#enter(path, via, ageMs)) this.#deferred.add(parentOf(path), this.#changedSince(via));
      return;
    }
    known.via = via;
    known.changedAt = now;
    known.pauses = 0;
    // While it is being looked at, the answer is what goes on.
    if (known.due !== undefined) this.#plan(known, now + this.#context.options.quietMs);
  }

  /** `false`: there is no room. */
  #enter(path: CanonicalPath, via: Via, ageMs: number): boolean {
    const { room, clock, options, onWaiting } = this.#context;
    if (!room.take()) return false;
    const now = clock.monotonic();
    const file: Waiting = {
      ...{ path, via, since: now - ageMs, changedAt: now, due: undefined, queued: undefined },
      ...{ pauses: 0, lookedAt: Number.NEGATIVE_INFINITY, seen: undefined, gone: false },
    };
    this.#waiting.set(path, file);
    this.#publish({ waiting: 1 });
    onWaiting?.();
    this.#plan(file, now + options.quietMs);
    this.#schedule();
    return true;
  }

  #leave(count: number): void {
    if (count === 0) return;
    this.#publish({ waiting: -count });
    this.#context.room.give(count);
  }

  /** What a file has been changed after that is heard of now: FILETIME. What was found by comparing may be old. */
  #changedSince(via: Via): bigint {
    const now = via === "notify" ? this.#context.prober.serverTime() : undefined;
    return now === undefined ? 0n : now - BigInt(HEARD_MS) * 10_000n;
  }

  /** Returns what was waited for at or below `path`. */
  #forget(path: CanonicalPath): Waiting[] {
    this.#told.prune(path);
    this.#deferred.prune(path);
    const files = this.#waiting.prune(path);
    for (const file of files) file.gone = true;
    this.#leave(files.length);
    return files;
  }

  #plan(file: Waiting, due: number): void {
    const { maxWaitMs = Number.POSITIVE_INFINITY } = this.#context.options;
    const wanted = Math.max(Math.min(due, file.since + maxWaitMs), file.lookedAt + SHORTEST_MS);
    file.due = wanted;
    // An entry that comes too early is put off then: a file that is written changes often.
    if (file.queued !== undefined && file.queued <= wanted) return;
    file.queued = wanted;
    this.#due.add(wanted, file);
  }

  #schedule(): void {
    const at = this.#due.next;
    if (at === undefined || (this.#timer !== undefined && this.#timer.at <= at)) return;
    this.#timer?.cancel();
    const { clock } = this.#context;
    const cancel = clock.after(Math.max(0, at - clock.monotonic()), () => {
      this.#timer = undefined;
      this.#run();
      this.#schedule();
    });
    this.#timer = { at, cancel };
  }

  #run(): void {
    const now = this.#context.clock.monotonic();
    for (let next = this.#due.take(now); next !== undefined; next = this.#due.take(now)) {
      const { item: file, due } = next;
      if (file.gone || file.queued !== due || file.due === undefined) continue;
      file.queued = undefined;
      if (file.due > now) this.#plan(file, file.due);
      else {
        file.due = undefined;
        void this.#look(file);
      }
    }
  }

  async #look(file: Waiting): Promise<void> {
    const { prober, clock, options } = this.#context;
    const { signal } = this.#stop;
    const changedAt = file.changedAt;
    const late = (): boolean =>
      clock.monotonic() - file.since >= (options.maxWaitMs ?? Number.POSITIVE_INFINITY);
    const wanted = (): boolean => !file.gone && (file.changedAt === changedAt || late());
    let answer: ProbedFile | SourceError | undefined;
    try {
      answer = await prober.probe(file.path, { closed: options.closed, wanted, signal });
      if (answer !== undefined) file.lookedAt = clock.monotonic();
    } catch (error) {
      if (signal.aborted) return;
      file.lookedAt = clock.monotonic();
      answer =
        error instanceof SourceError
          ? error
          : new SourceError("busy", "the file could not be asked about", error);
    }
    if (answer !== undefined) this.#publish({ outcome: outcomeOf(answer) });
    if (file.gone || signal.aborted) return;
    if (answer === undefined || (file.changedAt !== changedAt && !late())) {
      this.#plan(file, file.changedAt + options.quietMs);
    } else if (answer instanceof SourceError) this.#failed(file, answer);
    else this.#judge(file, answer, late());
    this.#schedule();
  }

  #failed(file: Waiting, { failure }: SourceError): void {
    // That it went is told by itself; what comes by that name later, too.
    if (failure === "gone" || failure === "bad-path" || failure === "not-a-directory") this.#drop(file);
    // Nothing was said of this file: it need not wait longer because the server is away.
    else if (failure === "unreachable") this.#plan(file, this.#context.clock.monotonic() + SHORTEST_MS);
    else this.#pause(file);
  }

  #judge(file: Waiting, answer: ProbedFile, late: boolean): void {
    const { options, clock, prober } = this.#context;
    const now = clock.monotonic();
    const seen = seenAs(file.seen, answer.info, now);
    file.seen = seen;
    const { since } = file;
    const serverTime = prober.serverTime();
    const verdict = verdictOn(answer, { options, now, since, late, seen, serverTime });
    if (verdict.what === "drop") this.#drop(file);
    else if (verdict.what === "tell") this.#tell(file, answer.info, verdict.closed);
    else if (verdict.what === "pause") this.#pause(file, verdict.atLatest);
    else this.#plan(file, now + options.quietMs);
  }

  #pause(file: Waiting, atLatest: number = Number.POSITIVE_INFINITY): void {
    const pause = PAUSES_MS[Math.min(file.pauses++, PAUSES_MS.length - 1)] ?? SHORTEST_MS;
    this.#plan(file, Math.min(this.#context.clock.monotonic() + pause, atLatest));
  }

  #drop(file: Waiting): void {
    file.gone = true;
    if (this.#waiting.delete(file.path) !== undefined) this.#leave(1);
  }

  #tell(file: Waiting, info: EntryInfo, closed: boolean): void {
    const { path, via, changedAt } = file;
    this.#drop(file);
    const told = toldAs(path, info);
    const { size, modified, fileId } = told;
    const change: Change = {
      ...{ action: "ready", name: baseName(path), size, modified, closed },
      ...(fileId === undefined ? {} : { fileId }),
    };
    if (this.#isTold(told)) return;
    this.#remember(told);
    this.#publish({ seconds: (this.#context.clock.monotonic() - changedAt) / 1_000, closed });
    this.#context.tell({ type: "changes", path: parentOf(path), via, changes: [change] });
  }

  #isTold(file: ToldFile): boolean {
    const before = this.#told.get(file.path);
    return before !== undefined && isSame(before, file);
  }

  #remember(told: ToldFile): void {
    this.#told.set(told.path, told);
    while (this.#told.size > MOST_TOLD) this.#told.shift();
  }

  #publish(fact: {
    readonly waiting?: number;
    readonly deferred?: number;
    readonly outcome?: ProbeOutcome;
    readonly seconds?: number;
    readonly closed?: boolean;
  }): void {
    readies.publish({ connection: this.#context.label, ...fact });
  }
}
