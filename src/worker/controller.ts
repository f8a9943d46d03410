import { setMaxListeners } from "node:events";
import { type Clock, systemClock } from "../base/clock.ts";
import { errorCode } from "../base/errors.ts";
import type { EventPublisher, KvBucket } from "../broker/port.ts";
import { treeKeysAbove, type WatchKey, watchKey } from "../fleet/identity.ts";
import type { ClaimEntry, FleetView, ViewChange } from "../fleet/view.ts";
import { type Step, WatchActions } from "./actions.ts";
import type { Archivist } from "./archivist.ts";
import { ClaimWriter } from "./claim-writer.ts";
import { type Action, decide } from "./decide.ts";
import { claimFacts, reconcileFacts } from "./facts.ts";
import type { Inheritance } from "./inheritance.ts";
import type { LocalWatch } from "./local-watch.ts";
import type { ConnectionRuntime } from "./runtime.ts";
import { type FleetTargets, isOverlapped, isSucceeded, TargetBook } from "./targets.ts";

export interface ControllerOptions {
  readonly view: FleetView;
  readonly bucket: KvBucket;
  readonly publisher: EventPublisher;
  /** Our lease; `undefined` while there is none. */
  readonly lease: () => string | undefined;
  readonly connection: (name: string) => ConnectionRuntime | undefined;
  /** How long a watch nobody asks for is kept, ms. Default 5,000. */
  readonly lingerMs?: number;
  /** Longest random wait before a claim, ms. Default 50. */
  readonly claimJitterMs?: number;
  /** Watches being armed at once. Default 1,000. */
  readonly maxStarting?: number;
  /** See `AssignOptions`. */
  readonly gather?: number;
  /** Wait for the outbox when letting go, ms. Default 10,000. */
  readonly flushMs?: number;
  /** Time between looks when nothing happens, ms. Default 5,000. */
  readonly auditMs?: number;
  /** See `WatchActionsOptions`. */
  readonly archivist?: Archivist | undefined;
  readonly inheritance?: Inheritance | undefined;
  readonly leaving?: () => boolean;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** A look takes a fifth of the time at most, also on a machine that is short of time: renewals need the rest. */
const LONGEST_PAUSE_MS = 10_000;
const DEFAULT_LINGER_MS = 5_000;

/**
 * The control loop of a worker: looks at the bucket, computes what should be watched and by whom, and takes one step
 * per watch towards it. Any number of pokes may be lost; the next look sees the same.
 */
export class WorkerController {
  readonly #options: ControllerOptions;
  readonly #clock: Clock;
  readonly #writer: ClaimWriter;
  readonly #local = new Map<WatchKey, LocalWatch>();
  readonly #busy = new Map<WatchKey, Promise<void>>();
  readonly #book: TargetBook;
  readonly #actions: WatchActions;
  readonly #stop = new AbortController();
  #cancelNext: (() => void) | undefined;
  #due = Number.POSITIVE_INFINITY;
  #costMs = 0;
  #leaving = false;
  readonly #unsubscribe: () => void;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#writer = new ClaimWriter(options.bucket, options.view, this.#clock);
    // One listener per watch in motion.
    setMaxListeners(0, this.#stop.signal);
    this.#book = new TargetBook(options.view, {
      lingerMs: options.lingerMs ?? DEFAULT_LINGER_MS,
      ...(options.gather === undefined ? {} : { gather: options.gather }),
    });
    this.#actions = new WatchActions({
      ...options,
      clock: this.#clock,
      writer: this.#writer,
      local: this.#local,
      signal: this.#stop.signal,
      leaving: () => this.#leaving || options.leaving?.() === true,
      targets: () => this.targets,
      onReady: (key) => this.#nudge(key),
    });
    this.#unsubscribe = options.view.onChange((change) => {
      if (!change.leases && !change.refs && !change.claims && !change.batch.restarted) return;
      this.#book.stale();
      this.poke();
      if (change.claims) this.#followClaims(change);
      if (change.refs && !change.batch.restarted) this.#followRefs(change);
    });
    this.poke();
  }

  /** Watches run here. */
  get local(): ReadonlyMap<WatchKey, LocalWatch> {
    return this.#local;
  }

  /** The fleet as of the last look. */
  get targets(): FleetTargets | undefined {
    return this.#book.current;
  }

  /** Claims of ours in the bucket. */
  *owned(): Iterable<ClaimEntry> {
    const me = this.#options.lease();
    for (const entry of this.#options.view.claims.values()) if (entry.record.lease === me) yield entry;
  }

  /** Looks again soon: at once when calm, less often the more a look costs. */
  poke(delayMs = 0): void {
    if (this.#stop.signal.aborted) return;
    const delay = Math.max(delayMs, Math.min(LONGEST_PAUSE_MS, this.#costMs * 4));
    const due = this.#clock.monotonic() + delay;
    if (due >= this.#due) return;
    this.#cancelNext?.();
    this.#due = due;
    this.#cancelNext = this.#clock.after(delay, () => {
      this.#due = Number.POSITIVE_INFINITY;
      this.#cancelNext = undefined;
      this.#look();
      this.poke(this.#options.auditMs ?? 5_000);
    });
  }

  /** Connections came or went: watches of those that are gone end without ceremony. */
  async connectionsChanged(): Promise<void> {
    const orphans = [...this.#local.values()].filter(
      (local) => this.#options.connection(local.target.connection) !== local.runtime,
    );
    for (const local of orphans) this.#actions.remove(local.key);
    this.#book.stale();
    await Promise.allSettled(orphans.map((local) => local.close()));
    this.poke();
  }

  /** The lease is lost: stop publishing before anyone else begins. */
  leaseLost(): void {
    for (const local of this.#local.values()) local.hush();
    this.#book.stale();
    this.poke();
  }

  /** From now on every claim of ours is flushed and deleted, wanted or not. */
  releaseAll(): void {
    this.#leaving = true;
    this.poke();
  }

  /** Ends all watches. Claims that are still ours become void with the lease. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#cancelNext?.();
    this.#unsubscribe();
    await Promise.allSettled(this.#busy.values());
    const locals = [...this.#local.values()];
    this.#local.clear();
    await Promise.allSettled(locals.map((local) => local.close()));
  }

  #look(): void {
    const { view, lease, lingerMs = DEFAULT_LINGER_MS } = this.#options;
    const me = lease();
    // Until our own lease is in the picture, the picture says that nobody may be assigned anything of ours.
    if (me === undefined || !view.leases.has(me) || !view.current) return;
    const started = this.#clock.monotonic();
    const targets = this.#book.refresh(started, this.#local.keys());
    if (targets.lingering) this.poke(lingerMs + 1);
    const keys = new Set<WatchKey>(this.#local.keys());
    let assigned = 0;
    for (const [key, worker] of targets.assignment) {
      if (worker !== me) continue;
      assigned++;
      keys.add(key);
    }
    for (const entry of this.owned()) keys.add(watchKey(entry.record, view.caseSensitive));
    for (const key of keys) if (!this.#busy.has(key)) this.#step(key, me, targets);
    this.#costMs = this.#clock.monotonic() - started;
    reconcileFacts.publish({
      type: "reconciled",
      seconds: this.#costMs / 1_000,
      planned: targets.plan.size,
      assigned,
      local: this.#local.size,
      homeless: targets.plan.size - targets.assignment.size,
    });
  }

  /** One step for one watch, by the targets of the last look: most steps need no look at the whole fleet. */
  #nudge(key: WatchKey): void {
    const { view, lease } = this.#options;
    const me = lease();
    const { targets } = this;
    if (this.#stop.signal.aborted || targets === undefined || !view.current) return;
    if (me === undefined || !view.leases.has(me) || this.#busy.has(key)) return;
    const mine = targets.assignment.get(key) === me || view.claim(key)?.record.lease === me;
    if (mine || this.#local.has(key)) this.#step(key, me, targets);
  }

  #followClaims({ batch }: ViewChange): void {
    const { view } = this.#options;
    for (const change of batch.changes) {
      const claim = change.type === "put" ? view.claims.get(change.entry.key) : undefined;
      if (claim !== undefined) this.#nudge(watchKey(claim.record, view.caseSensitive));
    }
  }

  /** A ref that is written, or written again, asks for a look where the watch that serves it has given up for now. */
  #followRefs({ batch }: ViewChange): void {
    const { view } = this.#options;
    for (const change of batch.changes) {
      const ref = change.type === "put" ? view.refs.get(change.entry.key) : undefined;
      if (ref === undefined) continue;
      this.#local.get(watchKey(ref.target, view.caseSensitive))?.retry();
      for (const key of treeKeysAbove(ref.target, view.caseSensitive)) this.#local.get(key)?.retry();
    }
  }

  #step(key: WatchKey, me: string, targets: FleetTargets): void {
    const { view, connection } = this.#options;
    const entry = view.claim(key);
    if (!this.#writer.settled(entry?.key ?? this.#keyFor(key, targets), entry)) return;
    const local = this.#local.get(key);
    const watch = targets.plan.get(key);
    const target = entry?.record ?? watch?.target ?? local?.target;
    if (target === undefined) return;
    const action = decide({
      me,
      desired: watch !== undefined && !this.#leaving && connection(target.connection) !== undefined,
      assignee: targets.assignment.get(key),
      claim: entry?.record,
      ownerAlive: entry !== undefined && view.leases.has(entry.record.lease),
      local: local && {
        state: local.state.state,
        publishing: local.publishing,
        announced: entry !== undefined && this.#writer.says(entry.record, local.state),
      },
      overlapped: () => isOverlapped(target, entry, targets, view),
      succeeded: () => this.#leaving || isSucceeded(target, targets, view),
    });
    if (action !== "none") this.#act(key, action, { me, target, entry, local });
  }

  #keyFor(key: WatchKey, targets: FleetTargets): string | undefined {
    const target = targets.plan.get(key)?.target ?? this.#local.get(key)?.target;
    return target === undefined ? undefined : this.#writer.keyOf(target);
  }

  #act(key: WatchKey, action: Action, at: Step): void {
    const work = this.#actions
      .perform(key, action, at)
      .catch((error: unknown) => {
        if (this.#stop.signal.aborted) return false;
        const { connection, path } = at.target;
        claimFacts.publish({ type: "failed", connection, path, code: errorCode(error) });
        return this.#actions.giveUp(key);
      })
      .then((progress) => {
        this.#busy.delete(key);
        if (progress === true) this.#nudge(key);
        else if (progress === false) this.poke(200 + this.#random() * 300);
      });
    this.#busy.set(key, work);
  }

  #random(): number {
    return (this.#options.random ?? Math.random)();
  }
}
