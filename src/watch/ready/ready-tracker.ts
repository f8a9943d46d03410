import type { Clock } from "../../base/clock.ts";
import { baseName, type CanonicalPath, joinPath, parentOf } from "../../base/path.ts";
import type { Change, ChangesEvent, Via } from "../events.ts";
import { type ProbeOutcome, readies } from "../facts.ts";
import { fileTimeToIso } from "../file-time.ts";
import type { ResolvedReady } from "../ready-options.ts";
import { type EntryInfo, type ProbedFile, SourceError } from "../source.ts";
import { Candidates } from "./candidates.ts";
import { DueQueue } from "./due-queue.ts";
import { FileTable } from "./file-table.ts";
import type { Prober } from "./prober.ts";
import { isSame, MOST_TOLD, type ReadyRecord, type ToldFile } from "./record.ts";

/** While a file stays open, or empty, or cannot be asked about. */
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000];
/** No file is asked about more often. */
const SHORTEST_MS = 1_000;
/** By how much the server's clock, as we know it, may be wrong. */
const CLOCK_MS = 250;

export interface ReadyTrackerContext {
  readonly options: ResolvedReady;
  readonly prober: Prober;
  readonly clock: Clock;
  readonly caseSensitive: boolean;
  /** Which connection this is, in facts. */
  readonly label: string;
  /** Tells a file. Must not throw. */
  readonly tell: (event: ChangesEvent) => void;
  /** What is waited for has changed. Must not throw. */
  readonly onWaiting?: () => void;
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
  /** As the last look found it, and when it was first found so. */
  seen: { readonly size: number; readonly modified: bigint; readonly at: number } | undefined;
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
  readonly #due = new DueQueue<Waiting>();
  readonly #stop = new AbortController();
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;

  constructor(context: ReadyTrackerContext, key: (path: CanonicalPath) => string) {
    this.#context = context;
    this.#candidates = new Candidates(context.options.ignore, context.caseSensitive);
    this.#waiting = new FileTable(key);
    this.#told = new FileTable(key);
  }

  get record(): ReadyRecord {
    const now = this.#context.clock.monotonic();
    return {
      waiting: [...this.#waiting.values()].map(({ path, since }) => ({ path, ageMs: now - since })),
      told: [...this.#told.values()],
    };
  }

  /** Files that no look since their last change has found open, empty, or not to be asked about. */
  get undecided(): number {
    let count = 0;
    for (const { pauses } of this.#waiting.values()) if (pauses === 0) count++;
    return count;
  }

  /** What an earlier owner waited for, and had told. What is known here already is newer. */
  adopt({ waiting, told }: ReadyRecord): void {
    for (const each of told) if (this.#told.get(each.path) === undefined) this.#remember(each);
    for (const { path, ageMs } of waiting) {
      if (this.#waiting.get(path) === undefined) this.#wait(path, "rescan", ageMs);
    }
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
    this.#publish({ waiting: -this.#waiting.size });
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
    const file: Waiting = known ?? {
      ...{ path, via, since: now - ageMs, changedAt: now, due: undefined, queued: undefined },
      ...{ pauses: 0, lookedAt: Number.NEGATIVE_INFINITY, seen: undefined, gone: false },
    };
    file.via = via;
    file.changedAt = now;
    file.pauses = 0;
    if (known === undefined) {
      this.#waiting.set(path, file);
      this.#publish({ waiting: 1 });
      this.#context.onWaiting?.();
    }
    // While it is being looked at, the answer is what goes on.
    if (known === undefined || file.due !== undefined) this.#plan(file, now + this.#context.options.quietMs);
  }

  /** Returns what was waited for at or below `path`. */
  #forget(path: CanonicalPath): Waiting[] {
    this.#told.prune(path);
    const files = this.#waiting.prune(path);
    for (const file of files) file.gone = true;
    if (files.length > 0) this.#publish({ waiting: -files.length });
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
    else this.#pause(file);
  }

  #judge(file: Waiting, { writer, info }: ProbedFile, late: boolean): void {
    const { options, clock } = this.#context;
    const now = clock.monotonic();
    if (info.type === "directory") {
      this.#drop(file);
      return;
    }
    const unchanged = this.#unchanged(file, info, now);
    if (late) {
      this.#tell(file, info, false);
      return;
    }
    const filledAt = file.since + options.emptyAfterMs;
    if (writer === "open") this.#pause(file);
    else if (info.size === 0 && now < filledAt) this.#pause(file, filledAt);
    // Nobody writes it by SMB. On the server itself somebody may: then it has been written lately.
    else if (writer === "closed" && (unchanged || this.#isOld(info))) this.#tell(file, info, true);
    else if (writer === "unknown" && unchanged) this.#tell(file, info, false);
    else this.#plan(file, now + options.quietMs);
  }

  /** Whether a look at least `quietMs` ago has found the same. */
  #unchanged(file: Waiting, { size, modified }: EntryInfo, now: number): boolean {
    const { seen } = file;
    if (seen === undefined || seen.size !== size || seen.modified !== modified) {
      file.seen = { size, modified, at: now };
      return false;
    }
    return now - seen.at >= this.#context.options.quietMs;
  }

  /** Whether its last write is older than the quiet time, as far as clocks can say. */
  #isOld({ modified }: EntryInfo): boolean {
    const { prober, options } = this.#context;
    const time = prober.serverTime();
    if (time === undefined) return false;
    const ageMs = Number(time - modified) / 10_000;
    return ageMs >= options.quietMs - Math.min(CLOCK_MS, options.quietMs / 4);
  }

  #pause(file: Waiting, atLatest: number = Number.POSITIVE_INFINITY): void {
    const pause = PAUSES_MS[Math.min(file.pauses++, PAUSES_MS.length - 1)] ?? SHORTEST_MS;
    this.#plan(file, Math.min(this.#context.clock.monotonic() + pause, atLatest));
  }

  #drop(file: Waiting): void {
    file.gone = true;
    if (this.#waiting.delete(file.path) !== undefined) this.#publish({ waiting: -1 });
  }

  #tell(file: Waiting, { size, modified, fileId }: EntryInfo, closed: boolean): void {
    const { path, via, changedAt } = file;
    this.#drop(file);
    const change: Change = {
      action: "ready",
      name: baseName(path),
      size,
      modified: fileTimeToIso(modified),
      ...(fileId === undefined ? {} : { fileId: BigInt.asUintN(64, fileId).toString() }),
      closed,
    };
    const told: ToldFile = { path, size, modified: fileTimeToIso(modified), fileId: change.fileId };
    const before = this.#told.get(path);
    if (before !== undefined && isSame(before, told)) return;
    this.#remember(told);
    this.#publish({ seconds: (this.#context.clock.monotonic() - changedAt) / 1_000, closed });
    this.#context.tell({ type: "changes", path: parentOf(path), via, changes: [change] });
  }

  #remember(told: ToldFile): void {
    this.#told.set(told.path, told);
    while (this.#told.size > MOST_TOLD) this.#told.shift();
  }

  #publish(fact: {
    readonly waiting?: number;
    readonly outcome?: ProbeOutcome;
    readonly seconds?: number;
    readonly closed?: boolean;
  }): void {
    readies.publish({ connection: this.#context.label, ...fact });
  }
}

function outcomeOf(answer: ProbedFile | SourceError): ProbeOutcome {
  if (!(answer instanceof SourceError)) return answer.writer;
  return answer.failure === "gone" ? "gone" : "failed";
}
