import { type Deferred, deferred } from "../../base/async.ts";
import type { CanonicalPath } from "../../base/path.ts";
import type { FleetErrorCode, StatAnswer } from "../../fleet/port.ts";

/** Directories asked about in one request, and its length, bytes: a request of the control API may have 64 KiB. */
const BATCH = 64;
const BATCH_BYTES = 32_768;

/** What says that there is no directory, and needs no watch to be known. */
const ABSENT: ReadonlySet<StatAnswer> = new Set(["not_found", "not_a_directory", "bad_path"]);

/** Asks a worker what is there, in the order of the paths. */
export type Stat = (paths: readonly CanonicalPath[], signal: AbortSignal) => Promise<readonly StatAnswer[]>;

/**
 * Looks at directories whose turn to be watched has not come: what is not there need not wait for it. Watching one that is not
 * there takes a ref, a claim and their ends, eight milliseconds of processors all told; a look among many others a tenth of one.
 * Each answer is of a look that began after the question, nothing is remembered. One request is under way at a time.
 */
export class Glances {
  readonly #stat: Stat;
  readonly #waiting = new Map<CanonicalPath, Deferred<FleetErrorCode | undefined>>();
  readonly #stop = new AbortController();
  #asking = false;

  constructor(stat: Stat) {
    this.#stat = stat;
  }

  /** Resolves to the reason where no directory is there, to `undefined` where one is or nobody can tell. Never rejects. */
  look(path: CanonicalPath): Promise<FleetErrorCode | undefined> {
    let one = this.#waiting.get(path);
    if (one === undefined) {
      one = deferred();
      this.#waiting.set(path, one);
      this.#askSoon();
    }
    return one.promise;
  }

  close(): void {
    this.#stop.abort();
    this.#letGo();
  }

  #letGo(): void {
    for (const one of this.#waiting.values()) one.resolve(undefined);
    this.#waiting.clear();
  }

  /** Whoever asks in this turn of the event loop is part of it. */
  #askSoon(): void {
    if (this.#asking) return;
    this.#asking = true;
    setImmediate(() => void this.#ask());
  }

  async #ask(): Promise<void> {
    const batch = this.#take();
    const paths = [...batch.keys()];
    let answers: readonly StatAnswer[] = [];
    try {
      if (paths.length > 0) answers = await this.#stat(paths, this.#stop.signal);
    } catch {
      // Whoever cannot say it of these cannot of the others. Their turn will come, and tell.
      this.#letGo();
    }
    if (answers.includes("unreachable")) this.#letGo();
    for (const [index, path] of paths.entries()) {
      const answer = answers[index];
      const absent = answer !== undefined && answer !== "directory" && ABSENT.has(answer);
      batch.get(path)?.resolve(absent ? answer : undefined);
    }
    this.#asking = false;
    if (this.#waiting.size > 0) this.#askSoon();
  }

  #take(): Map<CanonicalPath, Deferred<FleetErrorCode | undefined>> {
    const batch = new Map<CanonicalPath, Deferred<FleetErrorCode | undefined>>();
    let bytes = 0;
    for (const [path, one] of this.#waiting) {
      bytes += Buffer.byteLength(JSON.stringify(path)) + 1;
      if (batch.size >= BATCH || (batch.size > 0 && bytes > BATCH_BYTES)) break;
      batch.set(path, one);
      this.#waiting.delete(path);
    }
    return batch;
  }
}
