import { ignoreRejection } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import { segmentsOf } from "../../base/path.ts";
import type { ChangesMessage } from "../../broker/message.ts";
import { snapshotFailure } from "../../fleet/errors.ts";
import type { Cursor, DirectorySnapshot, WatchTarget } from "../../fleet/port.ts";
import { LiveMirror, type MirrorChange, type MirrorReason } from "../../watch/mirror/index.ts";
import { RequestError, toRequestError } from "../errors.ts";
import { mirrorFacts } from "../facts.ts";
import type { DirectoryEvent } from "./event.ts";
import type { Room } from "./room.ts";
import { SharedSnapshot } from "./shared-snapshot.ts";

/** Whoever goes on from snapshots of it. None may throw. */
export interface MirrorReader {
  /** There is a snapshot: the first, or one that takes the place of all that was told before. */
  onSnapshot(reason: MirrorReason): void;
  /** The way to the directory is gone, or is there again; what its own watch says is told elsewhere. */
  onWay(open: boolean): void;
  /** It has been asked for a snapshot for too long, and goes on asking. */
  onUnanswered(): void;
  /** It ends. */
  onFailed(error: RequestError): void;
}

export interface SharedMirrorOptions {
  readonly target: WatchTarget;
  readonly caseSensitive: boolean;
  readonly take: (signal: AbortSignal) => Promise<DirectorySnapshot>;
  /** Of the newest message that was heard. */
  readonly cursor: () => Cursor | undefined;
  readonly room: Room;
  readonly clock: Clock;
  /** It is of no use any more. */
  readonly onEnd: () => void;
}

/** One mirror of a directory for all who want snapshots of it: taken once, kept right by what the feed tells. */
export class SharedMirror {
  readonly #options: SharedMirrorOptions;
  readonly #mirror: LiveMirror;
  readonly #readers = new Set<MirrorReader>();
  /** Entries, about. */
  #size = 0;
  #servedDepth = 0;
  #absent = false;
  #unanswered = false;
  /** There was a picture. */
  #whole = false;
  #begun = false;
  #ended = false;
  /** As long as nothing changes. */
  #snapshot: SharedSnapshot | undefined;

  constructor(options: SharedMirrorOptions) {
    this.#options = options;
    const { target, caseSensitive, clock } = options;
    this.#mirror = new LiveMirror({
      path: target.path,
      recursive: target.recursive,
      caseSensitive: () => caseSensitive,
      clock,
      take: async (signal) => {
        const taken = await options.take(signal);
        const entries = count(taken.directories);
        options.room.check(this.#size, entries);
        this.#resize(entries);
        this.#servedDepth = segmentsOf(taken.servedBy.path).length;
        return taken;
      },
      failure: (error) => this.#judge(error),
      onClose: () => this.#end(),
    });
    this.#mirror.on("change", (change) => this.#onChange(change));
  }

  /** A first picture is there. Rejects where there will be none. */
  get ready(): Promise<void> {
    return this.#mirror.ready;
  }

  /** How deep the directory lies that its owner watches. */
  get servedDepth(): number {
    return this.#servedDepth;
  }

  /** The way to the directory is gone. */
  get absent(): boolean {
    return this.#absent;
  }

  /** No worker has said yet what is there, for too long. */
  get unanswered(): boolean {
    return this.#unanswered;
  }

  get readers(): number {
    return this.#readers.size;
  }

  add(reader: MirrorReader): void {
    this.#readers.add(reader);
  }

  /** The last one ends it. */
  remove(reader: MirrorReader): void {
    if (!this.#readers.delete(reader) || this.#readers.size > 0) return;
    this.close();
  }

  /** Somebody watches the directory, and we hear what is told. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#mirror.renew("first");
  }

  /** What it knows now; absent while it has to ask. */
  read(): SharedSnapshot | undefined {
    const base = this.#mirror.position;
    if (base === undefined) return undefined;
    if (this.#snapshot !== undefined) return this.#snapshot;
    const directories = [...this.#mirror.directories()];
    this.#resize(count(directories));
    this.#snapshot = new SharedSnapshot({
      base,
      cursor: this.#options.cursor(),
      ignoreCase: !this.#options.caseSensitive,
      directories,
    });
    return this.#snapshot;
  }

  /** Something was told of the directory, or of one in it. */
  hear(event: DirectoryEvent): void {
    if (event.type === "state") return;
    const { body } = event;
    if (body === undefined) this.#mirror.renew(event.type === "resync" ? event.reason : "takeover");
    else if (event.type === "changes") this.#mirror.hear({ ...event.body, type: "changes" });
    else this.#mirror.hear({ ...body, type: "resync", path: event.directory });
    // Also what changes nothing may be a later place.
    if (this.#mirror.position !== this.#snapshot?.base) this.#forget();
  }

  /** Something was told of a directory above. */
  hearAbove(body: ChangesMessage): void {
    this.#mirror.hear({ ...body, type: "changes" });
  }

  close(): void {
    ignoreRejection(this.#mirror.close());
  }

  #onChange(change: MirrorChange): void {
    this.#forget();
    if (change.type === "changes") {
      const more = change.changes.filter(({ action }) => action === "added").length;
      const less = change.changes.filter(({ action }) => action === "removed").length;
      this.#resize(Math.max(0, this.#size + more - less));
      return;
    }
    if (change.type === "state") {
      const absent = change.state === "gone";
      if (absent !== this.#absent) {
        this.#absent = absent;
        this.#tell((reader) => reader.onWay(!absent));
      }
      this.#unanswered = change.state === "degraded";
      if (this.#unanswered) this.#tell((reader) => reader.onUnanswered());
      return;
    }
    const back = this.#absent;
    this.#absent = false;
    this.#whole = true;
    mirrorFacts.publish({
      type: "taken",
      connection: this.#options.target.connection,
      reason: change.reason,
    });
    // What came while it was on its way is applied first.
    queueMicrotask(() =>
      this.#tell((reader) => {
        if (back) reader.onWay(true);
        reader.onSnapshot(change.reason);
      }),
    );
  }

  #tell(call: (reader: MirrorReader) => void): void {
    for (const reader of [...this.#readers]) call(reader);
  }

  #judge(error: unknown): "absent" | "final" | "again" {
    // Our own limit is one, too.
    const meaning = error instanceof RequestError ? "final" : snapshotFailure(error);
    if (meaning === "final" || (meaning === "absent" && !this.#whole)) this.#fail(error);
    return meaning;
  }

  #fail(error: unknown): void {
    if (this.#ended) return;
    const answer = toRequestError(error);
    mirrorFacts.publish({
      type: "failed",
      connection: this.#options.target.connection,
      reason: answer.answer,
    });
    const readers = [...this.#readers];
    this.close();
    for (const reader of readers) reader.onFailed(answer);
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#forget();
    this.#resize(0);
    this.#readers.clear();
    this.#options.onEnd();
  }

  #forget(): void {
    this.#snapshot?.retire();
    this.#snapshot = undefined;
  }

  #resize(entries: number): void {
    const change = entries - this.#size;
    if (change === 0) return;
    this.#size = entries;
    this.#options.room.grow(change);
    mirrorFacts.publish({ type: "size", connection: this.#options.target.connection, change });
  }
}

function count(directories: readonly { readonly entries: readonly unknown[] }[]): number {
  return directories.reduce((sum, { entries }) => sum + entries.length, 0);
}
