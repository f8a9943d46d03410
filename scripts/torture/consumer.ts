import { systemClock } from "../../src/base/clock.ts";
import type { Share } from "../../src/share/share.ts";
import type { WatchHandle, WatchOverrides } from "../../src/watch/api.ts";
import type { Via, WatchEvent } from "../../src/watch/events.ts";
import type { Interest } from "../../src/watch/interest.ts";
import { SourceError } from "../../src/watch/source.ts";
import { disagreements, Mirror, type MirrorEntry, type Truth } from "../../test/support/oracles/mirror.ts";
import { Unlisting } from "../../test/support/oracles/unlisting.ts";
import type { Journal } from "./journal.ts";

/** What all consumers of a run were told. */
export interface Tally {
  readonly delivered: Record<Via, number>;
  readonly resyncs: Record<string, number>;
}

/**
 * One consumer as the contract wants it: lists once it is live, over SMB as everybody does, then believes
 * events, and lists again only on `resync`. With an open audience, others come and go behind it: they list
 * when they please, and hear the same from then on.
 */
export class Consumer {
  readonly name: string;
  readonly interest: Interest;
  readonly mirror: Mirror;
  readonly handle: WatchHandle;
  readonly #mirrorAnew: () => Mirror;
  readonly #journal: Journal;
  #late: Mirror[] = [];
  /** They never list: a snapshot, then what is told. */
  #unlisting: Unlisting[] = [];
  readonly #gone: Record<string, number>[] = [];
  /** When it last heard or listed something (monotonic ms). */
  busyAt = 0;
  #live = false;
  #refused = false;

  constructor(
    share: Share,
    interest: Interest,
    overrides: WatchOverrides,
    tally: Tally,
    journal: Journal,
    signal: AbortSignal,
    /** Which directories it lists. Default: all that it is told of. */
    enters: (path: string) => boolean = () => true,
  ) {
    this.interest = interest;
    this.name = `${interest.path}${interest.recursive ? "/**" : ""}`;
    this.#journal = journal;
    this.#mirrorAnew = () =>
      new Mirror({
        ...interest,
        now: () => Date.now(),
        list: async (path) => {
          if (!enters(path)) return [];
          return await listed(share, path, journal, signal).finally(() => {
            this.busyAt = performance.now();
          });
        },
      });
    this.mirror = this.#mirrorAnew();
    this.handle = share.watches.watch(
      interest,
      (event, told) => {
        this.busyAt = performance.now();
        journal.event(this.name, event);
        count(tally, event);
        for (const mirror of this.#unlisting) mirror.apply(event, told);
        for (const mirror of this.#late) mirror.apply(event);
        if (this.#live) this.mirror.apply(event);
        // What was not there at the first try is listed when it comes.
        else if (this.#refused && event.type === "state" && isServed(event.state)) this.#list(journal);
      },
      overrides,
    );
    this.handle.live.then(
      () => this.#list(journal),
      () => {
        this.#refused = true;
      },
    );
  }

  get mirrors(): readonly Mirror[] {
    return [this.mirror, ...this.#late];
  }

  /** Nothing is under way, and its watch says that all is well. */
  get calm(): boolean {
    const { state } = this.handle;
    const listing = this.mirrors.some(({ busy }) => busy);
    return this.#live && !listing && isServed(state);
  }

  /** One more of its audience comes, where it is open; an earlier one leaves. */
  join(): void {
    const { state } = this.handle;
    if (!this.#live || !isServed(state)) return;
    this.#journal.add("note", `${this.name} is joined and lists`, [this.interest.path]);
    this.#mirror(1);
    const mirror = this.#mirrorAnew();
    this.#late = [...this.#late.slice(-1), mirror];
    mirror.start();
  }

  #list(journal: Journal): void {
    journal.add("note", `${this.name} is live and lists`, [this.interest.path]);
    this.#live = true;
    this.mirror.start();
    this.#mirror(0);
  }

  /** One more that never lists, beside the first and so many others. */
  #mirror(others: number): void {
    const [first, ...rest] = this.#unlisting;
    const kept = others === 0 ? [] : rest.slice(-others);
    for (const each of this.#unlisting) {
      if (each === first && others > 0) continue;
      if (kept.includes(each)) continue;
      this.#gone.push(each.snapshots);
      void each.close();
    }
    const more = new Unlisting(this.interest, this.handle, systemClock);
    this.#unlisting = others === 0 || first === undefined ? [more] : [first, ...kept, more];
  }

  /** Taken by those who never list, by reason: but for `first` something had been lost. */
  get snapshots(): Readonly<Record<string, number>> {
    const all: Record<string, number> = {};
    for (const snapshots of [...this.#gone, ...this.#unlisting.map((each) => each.snapshots)]) {
      for (const [reason, count] of Object.entries(snapshots)) all[reason] = (all[reason] ?? 0) + count;
    }
    return all;
  }

  async close(): Promise<void> {
    for (const each of this.#unlisting) await each.close();
  }

  /** What its picture gets wrong, by path. */
  wrong(truth: ReadonlyMap<string, Truth>): string[] {
    const mirrored = this.#unlisting.flatMap((mirror) =>
      mirror.wrong(truth, true).map((what) => `${what} in a mirror that never lists`),
    );
    return [...this.mirrors.flatMap((mirror) => disagreements(mirror, truth)), ...mirrored];
  }
}

/** Degraded, too: what is there is told, only later or in another way. */
function isServed(state: string): boolean {
  return state === "live" || state === "degraded";
}

/** Again and again: a consumer whose listing fails has no picture. */
async function listed(
  share: Share,
  path: string,
  journal: Journal,
  signal: AbortSignal,
): Promise<readonly MirrorEntry[] | undefined> {
  for (;;) {
    try {
      const entries: MirrorEntry[] = [];
      for await (const page of share.list(path, { signal })) {
        for (const { name, type } of page) entries.push({ name, directory: type === "directory" });
      }
      journal.add("note", `listed ${path}: ${entries.length}`, [path], false);
      return entries;
    } catch (error) {
      if (signal.aborted) throw error;
      const failure = error instanceof SourceError ? error.failure : "unreachable";
      if (failure === "gone" || failure === "not-a-directory" || failure === "denied") {
        journal.add("note", `listed ${path}: ${failure}`, [path], false);
        // What is refused is a picture, too: nothing is listed there.
        return failure === "denied" ? [] : undefined;
      }
      await share.ready({ signal }).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function count({ delivered, resyncs }: Tally, event: WatchEvent): void {
  if (event.type === "changes") delivered[event.via] += event.changes.length;
  else if (event.type === "resync") resyncs[event.reason] = (resyncs[event.reason] ?? 0) + 1;
}
