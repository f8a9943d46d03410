import { Backoff, type Deferred, deferred, ignoreRejection, sleep } from "../../base/async.ts";
import { AbortedError, describeError } from "../../base/errors.ts";
import {
  type CanonicalPath,
  canonicalPath,
  isWithin,
  joinPath,
  pathKey,
  segmentsOf,
} from "../../base/path.ts";
import type { Change, Via } from "../events.ts";
import type { Interest } from "../interest.ts";
import { advance, compareEpochs, judge, type MirrorBase, type MirrorMessage } from "./continuity.ts";
import { type MirrorEntry, type MirroredDirectory, MirrorTree } from "./tree.ts";
import type {
  LiveMirrorOptions,
  Mirror,
  MirrorChange,
  MirrorReason,
  MirrorState,
  MirrorStatus,
  MirrorView,
  TakenSnapshot,
} from "./types.ts";

/** What was told, with its place in the order. */
export interface ToldMessage extends MirrorMessage {
  readonly path: CanonicalPath;
  readonly via?: Via;
  readonly changes?: readonly Change[];
}

/** Told while a snapshot is on its way; more of it is better known from the next snapshot. */
const MOST_WAITING = 50_000;

/** As long as whoever waits for a snapshot need not be told that there is none: the largest take some seconds. */
const UNANSWERED_MS = 10_000;
const UNANSWERED = "nobody has said yet what is there";

/** Keeps the picture; whoever made it tells it what he hears. */
export class LiveMirror implements Mirror {
  readonly path: CanonicalPath;
  readonly recursive: boolean;
  readonly ready: Promise<void>;
  readonly #options: LiveMirrorOptions;
  readonly #tree: MirrorTree;
  readonly #ready: Deferred<void> = deferred<void>();
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(change: MirrorChange) => void>();
  readonly #subscribers = new Set<() => void>();
  readonly #snapshots: Record<string, number> = {};
  #base: MirrorBase | undefined;
  #servedBy: Interest | undefined;
  /** The newest epoch that was heard. */
  #newest: string | undefined;
  #waiting: ToldMessage[] = [];
  /** What is on its way is not enough. */
  #again = false;
  #taking: object | undefined;
  #whole = false;
  /** The way to the directory has been taken away. */
  #absent = false;
  /** A snapshot has been asked for, for too long. */
  #unanswered = false;
  #status: MirrorStatus = { state: "starting", mode: "notify" };
  #view: MirrorView | undefined;
  #telling = false;
  #closing: Promise<void> | undefined;

  constructor(options: LiveMirrorOptions) {
    this.#options = options;
    this.path = options.path;
    this.recursive = options.recursive;
    this.ready = this.#ready.promise;
    ignoreRejection(this.ready);
    this.#tree = new MirrorTree(options.path, options.recursive, options.caseSensitive);
  }

  get state(): MirrorState {
    return this.#absent ? "gone" : this.#fare.state;
  }

  get #fare(): MirrorStatus {
    const well = this.#status.state === "live" || this.#status.state === "starting";
    return this.#unanswered && well
      ? { ...this.#status, state: "degraded", error: UNANSWERED }
      : this.#status;
  }

  get snapshots(): Readonly<Record<string, number>> {
    return this.#snapshots;
  }

  /** Whether all entries of a directory are known: it may have more than its owner remembers. */
  isWhole(path: CanonicalPath = this.path): boolean {
    return this.#tree.isWhole(path);
  }

  /** Absent while a snapshot is on its way. */
  get position(): MirrorBase | undefined {
    return this.#base;
  }

  /** All of it, as another mirror may `load` it; goes on from `position`. */
  directories(): IterableIterator<MirroredDirectory> {
    return this.#tree.directories();
  }

  entries(path?: string): readonly MirrorEntry[] {
    if (this.state === "gone") return NOTHING;
    return this.#tree.entries(path === undefined ? this.path : canonicalPath(path));
  }

  get(name: string): MirrorEntry | undefined {
    return this.state === "gone"
      ? undefined
      : this.#tree.get(joinPath(this.path, canonicalPath(name).slice(1)));
  }

  *walk(): IterableIterator<readonly [CanonicalPath, MirrorEntry]> {
    if (this.state !== "gone") yield* this.#tree.walk();
  }

  on(_event: "change", listener: (change: MirrorChange) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#subscribers.add(listener);
    return () => {
      this.#subscribers.delete(listener);
    };
  };

  readonly getSnapshot = (): MirrorView => {
    const { error } = this.#fare;
    this.#view ??= {
      ready: this.#whole,
      state: this.state,
      ...(error === undefined ? {} : { error }),
      entries: this.entries(),
    };
    return this.#view;
  };

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    this.#waiting = [];
    this.#ready.reject(new AbortedError(undefined));
    await this.#options.onClose();
  }

  /** It cannot be kept any more. */
  fail(error: unknown): void {
    this.#ready.reject(error);
    ignoreRejection(this.close());
  }

  /** Something was told. */
  hear(message: ToldMessage): void {
    if (this.#stop.signal.aborted) return;
    const place = this.#placeOf(message.path);
    if (place === "beside") return;
    if (
      place === "inside" &&
      (this.#newest === undefined || compareEpochs(message.epoch, this.#newest) !== "former")
    ) {
      this.#newest = message.epoch;
    }
    if (this.#base !== undefined) this.#judge(message, this.#base);
    else if (this.#waiting.length < MOST_WAITING) this.#waiting.push(message);
    else {
      this.#again = true;
      this.#waiting = [];
    }
  }

  /** How the watch fares. */
  fares(status: MirrorStatus): void {
    const { state, mode, error } = status;
    this.#status = { state, mode, ...(error === undefined ? {} : { error }) };
    this.#tell({ type: "state", ...this.#fare });
  }

  /** What is known is right no more. */
  renew(reason: MirrorReason): void {
    this.#base = undefined;
    if (this.#stop.signal.aborted) return;
    if (this.#taking !== undefined) {
      this.#again = true;
      return;
    }
    const errand = {};
    this.#taking = errand;
    const late = (): void => this.#answered(false);
    const answered = this.#options.clock.after(UNANSWERED_MS, late, { unref: true });
    ignoreRejection(this.#take(reason, errand).finally(answered));
  }

  async #take(reason: MirrorReason, errand: object): Promise<void> {
    const { signal } = this.#stop;
    const { take, failure, clock } = this.#options;
    const backoff = new Backoff({ initialMs: 100, maxMs: 10_000 });
    while (this.#taking === errand) {
      try {
        this.#again = false;
        const snapshot = await take(signal);
        if (signal.aborted) return;
        if (this.#adopt(snapshot, reason)) return;
      } catch (error) {
        if (signal.aborted) return;
        const what = failure(error);
        if (what !== "again" && !this.#whole) {
          this.fail(error);
          return;
        }
        if (what === "absent") this.#vanish();
        // It goes on as it was, and may be right again.
        if (what === "final") this.fares({ ...this.#status, state: "degraded", error: describeError(error) });
      }
      await sleep(backoff.next(), { signal, clock });
    }
  }

  /** Whether the snapshot goes with what was heard. */
  #adopt({ directories, epoch, told, stored, servedBy }: TakenSnapshot, reason: MirrorReason): boolean {
    // From an owner that is none any more, or too much has been told since.
    const outdated = this.#newest !== undefined && compareEpochs(epoch, this.#newest) === "former";
    if (outdated || this.#again) return false;
    this.#tree.load(directories);
    this.#base = { epoch, told, stored };
    this.#servedBy = servedBy;
    this.#absent = false;
    this.#whole = true;
    this.#snapshots[reason] = (this.#snapshots[reason] ?? 0) + 1;
    this.#tell({ type: "snapshot", reason, position: { epoch, told } });
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#taking = undefined;
    this.#answered(true);
    for (const message of waiting) this.hear(message);
    this.#ready.resolve();
    return true;
  }

  #answered(answered: boolean): void {
    if (this.#unanswered !== answered) return;
    this.#unanswered = !answered;
    if (!this.#absent) this.#tell({ type: "state", ...this.#fare });
  }

  /** Of a path, or a name. */
  #key(text: string): string {
    return pathKey(text, this.#options.caseSensitive());
  }

  /** Above: where the same owner tells of the way to our directory. */
  #placeOf(path: CanonicalPath): "inside" | "above" | "beside" {
    const [other, own] = [this.#key(path), this.#key(this.path)];
    if (other === own || (this.recursive && isWithin(own, other))) return "inside";
    return isWithin(other, own) ? "above" : "beside";
  }

  /** Whether who serves us is who speaks of a directory above ours. */
  #isServedFrom(path: CanonicalPath): boolean {
    return this.#servedBy?.recursive === true && isWithin(this.#key(this.#servedBy.path), this.#key(path));
  }

  #judge(message: ToldMessage, base: MirrorBase): void {
    const above = this.#placeOf(message.path) === "above";
    if (above && (message.type === "resync" || !this.#isServedFrom(message.path))) return;
    const verdict = judge(base, message);
    if (verdict === "old") return;
    if (verdict !== "apply") {
      this.renew(verdict);
      return;
    }
    this.#base = advance(base, message);
    const { path, via = "notify", changes = [] } = message;
    // A resync has none, and says at least that there is such a directory.
    if (above) this.#above(path, changes);
    else if (this.#tree.apply(path, changes, via) && changes.length > 0) {
      // Something in it: the way to it is there again.
      if (this.#absent) this.#appear();
      this.#tell({ type: "changes", path, via, changes });
    }
  }

  /** A directory above: the way to ours may go, or come. */
  #above(path: CanonicalPath, changes: readonly Change[]): void {
    const [next = ""] = segmentsOf(this.path).slice(segmentsOf(path).length);
    for (const { action, name, oldName } of changes) {
      const gone = action === "removed" ? name : action === "renamed" ? oldName : undefined;
      if (gone !== undefined && this.#key(gone) === this.#key(next)) this.#vanish();
      if (this.#key(name) !== this.#key(next)) continue;
      // What has taken its place brings along what nobody tells again.
      if (action === "renamed") this.renew("moved");
      if (action === "added" && this.#absent) this.#appear();
    }
  }

  #vanish(): void {
    if (this.#absent) return;
    this.#tree.clear();
    this.#absent = true;
    this.#tell({ type: "state", state: "gone", mode: this.#status.mode });
  }

  #appear(): void {
    this.#absent = false;
    this.#tell({ type: "state", ...this.#fare });
  }

  #tell(change: MirrorChange): void {
    this.#view = undefined;
    for (const listener of [...this.#listeners]) call(() => listener(change));
    if (this.#telling || this.#subscribers.size === 0) return;
    this.#telling = true;
    queueMicrotask(() => {
      this.#telling = false;
      for (const subscriber of [...this.#subscribers]) call(subscriber);
    });
  }
}

const NOTHING: readonly MirrorEntry[] = [];

/** One that throws must cost neither the others their news nor the picture its truth: its error is reported as uncaught. */
function call(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
