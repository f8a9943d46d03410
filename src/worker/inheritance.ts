import { waitFor } from "../base/async.ts";
import type { Clock } from "../base/clock.ts";
import { AbortedError, errorCode } from "../base/errors.ts";
import { pathKey } from "../base/path.ts";
import type { EventFeed, ObjectBucket, ReplayScope } from "../broker/port.ts";
import { watchName } from "../broker/subjects.ts";
import type { WatchTarget } from "../fleet/port.ts";
import { Breather, Gate } from "../watch/pacing.ts";
import { type CheckpointDirectory, ToldPicture } from "../watch/picture/index.ts";
import { type ReadyRecord, ReadyReplay } from "../watch/ready/index.ts";
import { type Checkpoint, decodeRecord } from "./checkpoint-record.ts";
import { checkpointFacts, type Unusable } from "./facts.ts";
import type { ConnectionRuntime } from "./runtime.ts";

export interface InheritanceOptions {
  readonly objects: ObjectBucket;
  readonly feed: EventFeed;
  readonly clock: Clock;
  /** How long a new owner waits for what the former left, once it is asked for, ms. Default 5,000. */
  readonly deadlineMs?: number;
}

/** Entries per turn of the event loop. */
const ENTRIES_PER_TURN = 1_000;
const READ_AT_ONCE = 64;
/** Longer stories take longer to read than a listing. */
const MAX_REPLAYED = 100_000;

/** What consumers know, and what they wait for. */
export interface Inherited {
  readonly directories: readonly CheckpointDirectory[];
  readonly ready?: ReadyRecord | undefined;
}

interface Found extends Inherited {
  /** Messages told after the checkpoint. */
  readonly replayed: number;
}

/** What a former owner of a watch left: its last checkpoint, and what it told after that. */
export class Inheritance {
  readonly #options: InheritanceOptions;
  readonly #breather: Breather;
  /** Thousands of requests at once would wait for each other until they fail. */
  readonly #gate = new Gate(READ_AT_ONCE);

  constructor(options: InheritanceOptions) {
    this.#options = options;
    this.#breather = new Breather(options.clock, ENTRIES_PER_TURN);
  }

  /**
   * What consumers know of the directories of a watch that nobody runs; `undefined` where that cannot be told, and they
   * have to list again. @throws AbortedError
   */
  async of(
    target: WatchTarget,
    runtime: ConnectionRuntime,
    signal: AbortSignal,
  ): Promise<Inherited | undefined> {
    const { clock, deadlineMs = 5_000 } = this.#options;
    const { connection, path } = target;
    const leave = await this.#gate.enter(signal);
    const started = clock.monotonic();
    const late = new AbortController();
    const work = this.#read(target, runtime, AbortSignal.any([signal, late.signal]));
    try {
      const found = await waitFor(work, { signal, deadlineMs, clock, what: "a checkpoint" });
      if (found === undefined) return undefined;
      if (typeof found === "string") {
        checkpointFacts.publish({ type: "unusable", connection, path, reason: found });
        return undefined;
      }
      const seconds = (clock.monotonic() - started) / 1_000;
      checkpointFacts.publish({ type: "used", connection, path, replayed: found.replayed, seconds });
      return { directories: found.directories, ready: found.ready };
    } catch (error) {
      if (signal.aborted) throw new AbortedError(signal.reason);
      const reason = reasonOf(errorCode(error));
      checkpointFacts.publish({ type: "unusable", connection, path, reason });
      return undefined;
    } finally {
      late.abort();
      leave();
    }
  }

  async #read(
    target: WatchTarget,
    runtime: ConnectionRuntime,
    signal: AbortSignal,
  ): Promise<Found | Unusable | undefined> {
    const bytes = await this.#options.objects.get(objectName(target, runtime), { signal });
    if (bytes === undefined) return undefined;
    const checkpoint = await this.#breather.run(decodeRecord(bytes), signal);
    if (checkpoint.share !== shareOf(runtime)) return "foreign";
    return this.#replay(checkpoint, { ...target, caseSensitive: runtime.caseSensitive }, signal);
  }

  async #replay(
    { epoch, seq, cursor, directories, ready }: Checkpoint,
    scope: ReplayScope,
    signal: AbortSignal,
  ): Promise<Found | Unusable> {
    const { feed } = this.#options;
    if (await feed.isSilent(scope, cursor, { signal })) return { directories, ready, replayed: 0 };
    const key = (path: string): string => pathKey(path, scope.caseSensitive);
    const picture = new ToldPicture(directories, key);
    const files = ready === undefined ? undefined : new ReadyReplay(ready, key);
    /** By directory: the newest owner heard of. */
    const owners = new Map<string, number>();
    let replayed = 0;
    for await (const { message } of feed.replay(scope, cursor, { signal })) {
      const { type, body } = message;
      if (type === "state" || (body.epoch === epoch && body.seq <= seq)) continue;
      if (++replayed > MAX_REPLAYED) return "long";
      await this.#breather.after(type === "changes" ? body.changes.length : 1, signal);
      const [now, before] = [ordinal(body.epoch, epoch), owners.get(key(body.path)) ?? 0];
      // Consumers may, or may not, have dropped what an owner said after its successor had begun.
      if (now === undefined || now < before) return "ambiguous";
      owners.set(key(body.path), now);
      // An owner that had to begin anew, whose picture nobody but those knows who took a snapshot of it.
      if (type === "resync" && body.picture !== "kept") return "resync";
      const known =
        type === "changes" ? picture.changes(body.path, body.changes) : picture.resync(body.path, body.scope);
      if (!known) return "resync";
      if (type === "changes") files?.changes(body.path, body.changes);
    }
    return { directories: picture.directories, ready: files?.record, replayed };
  }
}

/** Of an object: that of the claim, without its kind. */
export function objectName(
  { connection, path, recursive }: WatchTarget,
  { caseSensitive }: Pick<ConnectionRuntime, "caseSensitive">,
): string {
  return `${watchName(connection, path, caseSensitive)}.${recursive ? "=t" : "=d"}`;
}

/** What has to be the same for two pictures to be of the same thing. */
export function shareOf({ identity, sourceUrl, caseSensitive }: ConnectionRuntime): string {
  return `${identity ?? sourceUrl}${caseSensitive ? "" : " (folded)"}`;
}

/** The revision in `<bucket nonce>-<revision>`; `undefined` for one of another bucket, or of none. */
function ordinal(epoch: string, known: string): number | undefined {
  const cut = known.lastIndexOf("-") + 1;
  const revision = Number(epoch.slice(cut));
  return epoch.startsWith(known.slice(0, cut)) && Number.isSafeInteger(revision) ? revision : undefined;
}

function reasonOf(code: string): Unusable {
  if (code === "BROKER_RETENTION") return "retention";
  if (code === "BAD_CHECKPOINT" || code === "BROKER_TOO_LARGE") return "damaged";
  return "unavailable";
}
