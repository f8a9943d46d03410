import { ignoreRejection } from "../base/async.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { ClosedError, errorCode } from "../base/errors.ts";
import { canonicalPath } from "../base/path.ts";
import type { Broker } from "../broker/port.ts";
import { isConnectionName, type Subjects } from "../broker/subjects.ts";
import { FleetError, unknownConnection } from "./errors.ts";
import { requestList, requestStat } from "./list-client.ts";
import { FreshLooks, isLost } from "./looks.ts";
import { MemberRef } from "./member-ref.ts";
import { Membership } from "./membership.ts";
import type {
  Cursor,
  DirectorySnapshot,
  FeedListener,
  FeedMessage,
  FeedSubscription,
  FleetClient,
  Listing,
  ListRequest,
  RefState,
  StatAnswer,
  StatRequest,
  WatchRef,
  WatchTarget,
  Workers,
} from "./port.ts";
import { ProcessService } from "./process-service.ts";
import { RefBook } from "./refs.ts";
import type { Endpoint } from "./service.ts";
import { servingClaim, stateOfClaim } from "./serving.ts";
import { OUT_OF_SIGHT, Sight } from "./sight.ts";
import { requestSnapshot } from "./snapshot.ts";
import type { FleetView, ViewChange } from "./view.ts";
import { collectWorkers } from "./workers.ts";

/** Whoever asks has another way to find out. */
const STAT_TIMEOUT_MS = 10_000;
/** One look at the workers serves all who ask within it. */
const WORKERS_MS = 1_000;

export interface FleetMemberOptions {
  /** Stays the caller's: `close` does not close it. */
  readonly broker: Broker;
  readonly kind: "gateway" | "client";
  /** Of the lease, ms. Default 15,000. */
  readonly ttlMs?: number;
  readonly graceMs?: number;
  /** How long a ref outlives its last release, ms. Default 10,000. */
  readonly lingerMs?: number;
  readonly host?: string;
  /** Program version, told in the lease. */
  readonly version?: string;
  readonly caseSensitive?: (connection: string) => boolean | undefined;
  /** Wait for a listing, ms. Default 30,000. */
  readonly listTimeoutMs?: number;
  /** What this process alone answers, on subjects of its lease. Default nothing. */
  readonly endpoints?: (lease: string) => readonly Endpoint[];
  readonly clock?: Clock;
}

/** A consumer in the fleet: holds one lease, keeps refs, and tells how the claims that serve them are. */
export class FleetMember implements FleetClient {
  readonly #options: FleetMemberOptions;
  readonly #clock: Clock;
  readonly #membership: Membership;
  readonly #book: RefBook;
  readonly #looks: FreshLooks;
  readonly #sight: Sight;
  readonly #service: ProcessService | undefined;
  readonly #refs = new Set<MemberRef>();
  readonly #subscriptions = new Set<FeedSubscription>();
  #lastLease = "";
  #cancelLook: (() => void) | undefined;
  #lookCostMs = 0;
  #workers: (Workers & { readonly at: number }) | undefined;
  #closing: Promise<void> | undefined;

  /** Joins the fleet. @throws BrokerError, DeadlineError, AbortedError */
  static async start(
    options: FleetMemberOptions,
    wait: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<FleetMember> {
    const member = new FleetMember(options);
    try {
      await member.#membership.start(wait);
      member.#sight.start();
    } catch (error) {
      await member.close().catch(() => undefined);
      throw error;
    }
    return member;
  }

  private constructor(options: FleetMemberOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { broker, kind, ttlMs, graceMs, host, version, caseSensitive, lingerMs } = options;
    this.#membership = new Membership({
      broker,
      kind,
      clock: this.#clock,
      details: () => (version === undefined ? {} : { version }),
      onLease: () => {
        this.#lastLease = this.#membership.lease.leaseId ?? this.#lastLease;
        this.#service?.follow(this.#membership.lease.leaseId);
        this.#book.sync();
        this.#sight.look();
        this.#lookSoon();
      },
      ...(ttlMs === undefined ? {} : { ttlMs }),
      ...(graceMs === undefined ? {} : { graceMs }),
      ...(host === undefined ? {} : { host }),
      ...(caseSensitive === undefined ? {} : { caseSensitive }),
    });
    const { endpoints } = options;
    this.#service =
      endpoints && new ProcessService({ link: broker.link, version: version ?? "0.0.0", endpoints });
    const { view, lease } = this.#membership;
    this.#book = new RefBook({
      bucket: broker.watches,
      caseSensitive: view.caseSensitive,
      lease: () => lease.leaseId,
      clock: this.#clock,
      onChange: () => this.#lookSoon(),
      ...(lingerMs === undefined ? {} : { lingerMs }),
    });
    this.#looks = new FreshLooks((target, signal) => this.#lookAt(target, signal), this.#clock);
    this.#sight = new Sight({
      clock: this.#clock,
      ttlMs: lease.ttlMs,
      leaseSilentMs: () => lease.silentMs,
      mirrored: () => view.current,
      onChange: () => this.#lookSoon(),
    });
    view.onChange((change) => this.#follow(change));
  }

  /** Id of the present lease, or of the last one while there is none. */
  get leaseId(): string {
    return this.#lastLease;
  }

  /** Whether a connection's names are told apart by case: as configured here, else as the workers say. */
  get subjects(): Subjects {
    return this.#options.broker.link.subjects;
  }

  caseSensitive(connection: string): boolean {
    return this.#membership.view.caseSensitive(connection);
  }

  /** The bucket as this process mirrors it. */
  get view(): FleetView {
    return this.#membership.view;
  }

  /** Whether our lease is held, with a margin, and what we know of the fleet can be true. */
  get ready(): boolean {
    return this.#membership.lease.mayPublish() && !this.#sight.lost;
  }

  /** @throws FleetError `bad_path`, `unknown_connection` for what cannot be a target, ClosedError */
  acquire(target: WatchTarget): WatchRef {
    const clean = this.#check(target);
    const ref = new MemberRef(clean, {
      release: this.#book.hold(clean),
      forget: () => this.#refs.delete(ref),
      look: () => this.#looks.look(clean),
      clock: this.#clock,
    });
    this.#refs.add(ref);
    const state = this.#sight.lost ? OUT_OF_SIGHT : this.#remembered(clean);
    if (isLost(state)) ref.verify();
    ref.update(state);
    return ref;
  }

  /** As the fleet knows it, whether or not our own interest is stored yet. */
  #remembered(target: WatchTarget): RefState {
    const { view } = this.#membership;
    return stateOfClaim(servingClaim(target, (key) => view.liveClaim(key)?.record, view.caseSensitive));
  }

  /** Wakes whoever watches, and asks any worker what is there. */
  async #lookAt(target: WatchTarget, signal: AbortSignal): Promise<void> {
    // Without it the watch tries again later by itself.
    ignoreRejection(this.#book.touch(target));
    const { connection, path } = target;
    await this.list({ connection, path, limit: 1, fresh: true }, { signal });
  }

  follow(connection: string, listener: FeedListener): FeedSubscription {
    if (this.#closing !== undefined) throw new ClosedError("fleet member");
    const inner = this.#options.broker.feed.follow(connection, {
      onMessage: (message) => listener.onMessage(message),
      // What cannot be read, the feed delivers as a resync of its directory.
      onGap: (reason) => listener.onGap(reason),
    });
    const subscription: FeedSubscription = {
      ready: inner.ready,
      get cursor() {
        return inner.cursor;
      },
      close: () => {
        this.#subscriptions.delete(subscription);
        inner.close();
      },
    };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async *replay(
    target: WatchTarget,
    since: Cursor,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<FeedMessage, void, undefined> {
    const clean = this.#check(target);
    const caseSensitive = this.#membership.view.caseSensitive(clean.connection);
    try {
      yield* this.#options.broker.feed.replay({ ...clean, caseSensitive }, since, options);
    } catch (error) {
      if (errorCode(error) !== "BROKER_RETENTION") throw error;
      throw new FleetError("retention", "the stream no longer holds what came after this cursor", error);
    }
  }

  async list(
    request: ListRequest,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Listing> {
    if (this.#closing !== undefined) throw new ClosedError("fleet member");
    if (this.#membership.view.knows(request.connection) === false) throw unknownConnection();
    return requestList(this.#options.broker.link, request, {
      signal: options.signal,
      timeoutMs: this.#options.listTimeoutMs ?? 30_000,
    });
  }

  async stat(
    request: StatRequest,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<readonly StatAnswer[]> {
    if (this.#closing !== undefined) throw new ClosedError("fleet member");
    if (this.#membership.view.knows(request.connection) === false) throw unknownConnection();
    const { signal } = options;
    return requestStat(this.#options.broker.link, request, { signal, timeoutMs: STAT_TIMEOUT_MS });
  }

  async snapshot(
    target: WatchTarget,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<DirectorySnapshot> {
    const clean = this.#check(target);
    if (this.#membership.view.knows(clean.connection) === false) throw unknownConnection();
    return requestSnapshot(this.#options.broker.link, clean, {
      signal: options.signal,
      timeoutMs: this.#options.listTimeoutMs ?? 30_000,
      clock: this.#clock,
    });
  }

  workers(): Workers {
    const now = this.#clock.monotonic();
    if (this.#workers === undefined || now - this.#workers.at >= WORKERS_MS) {
      const { view } = this.#membership;
      const workers = collectWorkers(view, (lease) => this.#membership.silentMs(lease));
      this.#workers = { at: now, current: view.current && !this.#sight.lost, workers };
    }
    return this.#workers;
  }

  /** Ends all refs and subscriptions and gives the lease back. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#cancelLook?.();
    this.#looks.close();
    this.#sight.close();
    await this.#service?.close();
    for (const subscription of [...this.#subscriptions]) subscription.close();
    for (const ref of [...this.#refs]) ref.release();
    await this.#book.close();
    await this.#membership.close();
  }

  #check(target: WatchTarget): WatchTarget {
    if (this.#closing !== undefined) throw new ClosedError("fleet member");
    if (!isConnectionName(target.connection)) throw unknownConnection();
    try {
      return { ...target, path: canonicalPath(target.path) };
    } catch (error) {
      throw new FleetError("bad_path", "this path is refused", error);
    }
  }

  #follow(change: ViewChange): void {
    const lease = this.#membership.lease.leaseId;
    for (const item of change.batch.changes) {
      if (item.type === "delete" && lease !== undefined && item.key.startsWith(`ref.${lease}.`)) {
        this.#book.forget(item.key);
      }
    }
    // Leases of workers may have told something about case: keys of refs depend on it.
    if (change.leases) this.#book.sync();
    if (change.claims || change.leases) this.#lookSoon();
  }

  /** One look for many changes; the busier, the rarer. */
  #lookSoon(): void {
    if (this.#cancelLook !== undefined || this.#closing !== undefined) return;
    this.#cancelLook = this.#clock.after(
      Math.min(250, this.#lookCostMs * 4),
      () => {
        this.#cancelLook = undefined;
        const started = this.#clock.monotonic();
        for (const ref of [...this.#refs]) ref.update(this.#stateOf(ref.target));
        this.#lookCostMs = this.#clock.monotonic() - started;
      },
      { unref: true },
    );
  }

  #stateOf(target: WatchTarget): RefState {
    const { view } = this.#membership;
    if (this.#sight.lost) return OUT_OF_SIGHT;
    if (!this.#book.isStored(target)) return { state: "unclaimed", mode: "notify" };
    const claim = servingClaim(target, (key) => view.liveClaim(key)?.record, view.caseSensitive);
    if (claim === undefined && view.knows(target.connection) === false) {
      return {
        state: "unclaimed",
        mode: "notify",
        code: "unknown_connection",
        error: "no worker serves this connection",
      };
    }
    return stateOfClaim(claim);
  }
}
