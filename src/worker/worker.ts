import { deferred, sleep, waitFor } from "../base/async.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { ClosedError } from "../base/errors.ts";
import { Scope } from "../base/scope.ts";
import type { Broker, EventPublisher, PublisherOptions } from "../broker/port.ts";
import type { WatchActivity } from "../fleet/activity.ts";
import type { LeaseChange, LeaseDetails } from "../fleet/lease.ts";
import { Membership } from "../fleet/membership.ts";
import type { WatchTarget } from "../fleet/port.ts";
import { RefBook } from "../fleet/refs.ts";
import { Sweeper } from "../fleet/sweeper.ts";
import type { FleetView } from "../fleet/view.ts";
import { Archivist, type ArchivistOptions } from "./archivist.ts";
import { WorkerController } from "./controller.ts";
import { Inheritance } from "./inheritance.ts";
import type { LocalState } from "./local-state.ts";
import { Questions } from "./questions.ts";
import { Reach } from "./reach.ts";
import type { ConnectionRuntime } from "./runtime.ts";

export interface WorkerOptions {
  /** Stays the caller's: `close` does not close it. */
  readonly broker: Broker;
  /** Stay the caller's as well: close them after the worker, or after `updateConnections` has let them go. */
  readonly connections: ReadonlyMap<string, ConnectionRuntime>;
  /** Watches held as long as a worker runs. */
  readonly pins?: readonly WatchTarget[];
  /** Of the lease, ms. Default 15,000. */
  readonly ttlMs?: number;
  /** Added to a lease's TTL before it is judged dead, ms. Default a twentieth of `ttlMs`, at most 500. */
  readonly graceMs?: number;
  readonly host?: string;
  /** Program version, told in the lease and by the micro service. */
  readonly version?: string;
  /** Most watches taken. Default 20,000. */
  readonly capacity?: number;
  /** How long a watch nobody asks for is kept, ms. Default 5,000. */
  readonly lingerMs?: number;
  /** Differences of up to this many watches between workers are not worth a move. Default 16. */
  readonly gather?: number;
  /** How long a file server must be out of reach before others are asked to take its watches, ms. Default 30,000. */
  readonly denyAfterMs?: number;
  /** Saving of pictures for whoever goes on; `false`: every take-over asks consumers to list. Default on. */
  readonly checkpoints?: false | Pick<ArchivistOptions, "afterMs" | "againMs" | "bytesPerSecond">;
  readonly publisher?: Omit<PublisherOptions, "mayPublish" | "onFence">;
  readonly clock?: Clock;
}

/**
 * The role that watches: `created -> running -> draining -> closed`. Holds a lease, keeps a mirror of the bucket,
 * runs the controller, sweeps what the dead leave behind, answers the control API.
 */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #clock: Clock;
  readonly #scope = new Scope();
  #connections: ReadonlyMap<string, ConnectionRuntime>;
  #pins: readonly WatchTarget[];
  #releasePins: (() => void)[] = [];
  #membership: Membership | undefined;
  #publisher: EventPublisher | undefined;
  #controller: WorkerController | undefined;
  #book: RefBook | undefined;
  #reach: Reach | undefined;
  #questions: Questions | undefined;
  #draining = false;
  #started = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#connections = options.connections;
    this.#pins = options.pins ?? [];
  }

  /** A lease is held and not about to run out, and this worker takes new watches. */
  get ready(): boolean {
    return this.#membership?.lease.mayPublish() === true && !this.#draining;
  }

  get leaseId(): string | undefined {
    return this.#membership?.lease.leaseId;
  }

  /** The mirrored bucket; `undefined` before `start`. */
  get view(): FleetView | undefined {
    return this.#membership?.view;
  }

  get controller(): WorkerController | undefined {
    return this.#controller;
  }

  get publisher(): EventPublisher | undefined {
    return this.#publisher;
  }

  /** Joins the fleet. @throws BrokerError, DeadlineError, AbortedError; the worker is closed then. */
  async start(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    if (this.#started || this.#scope.closed) throw new ClosedError("worker");
    this.#started = true;
    try {
      await this.#start(options);
    } catch (error) {
      await this.close().catch(() => undefined);
      throw error;
    }
  }

  async #start(options: { readonly signal?: AbortSignal | undefined }): Promise<void> {
    const { broker, ttlMs, graceMs, host, lingerMs, gather } = this.#options;
    const membership = new Membership({
      broker,
      kind: "worker",
      clock: this.#clock,
      details: () => this.#details(),
      caseSensitive: (name) => this.#connections.get(name)?.caseSensitive,
      onLease: (change) => this.#leaseChanged(change),
      ...(ttlMs === undefined ? {} : { ttlMs }),
      ...(graceMs === undefined ? {} : { graceMs }),
      ...(host === undefined ? {} : { host }),
    });
    this.#scope.use(membership);
    this.#membership = membership;
    await membership.start(options);
    const { view, lease } = membership;
    const leaseId = (): string | undefined => lease.leaseId;

    const publisher = broker.publisher({ ...this.#options.publisher, mayPublish: () => lease.mayPublish() });
    this.#scope.defer(() => publisher.close());
    this.#publisher = publisher;
    const { checkpoints = {} } = this.#options;
    const { checkpoints: objects, feed } = broker;
    const kept = objects && { objects, feed, clock: this.#clock };
    const archivist =
      checkpoints === false || kept === undefined
        ? undefined
        : this.#scope.use(new Archivist({ ...kept, ...checkpoints }));
    this.#controller = this.#scope.use(
      new WorkerController({
        view,
        bucket: broker.watches,
        publisher,
        lease: leaseId,
        connection: (name) => this.#connections.get(name),
        clock: this.#clock,
        archivist,
        inheritance: archivist && kept && new Inheritance(kept),
        leaving: () => this.#draining,
        ...(lingerMs === undefined ? {} : { lingerMs }),
        ...(gather === undefined ? {} : { gather }),
      }),
    );
    this.#book = this.#scope.use(
      new RefBook({
        bucket: broker.watches,
        caseSensitive: view.caseSensitive,
        lease: leaseId,
        lingerMs: 0,
        clock: this.#clock,
      }),
    );
    this.#holdPins();
    this.#reach = this.#scope.use(this.#watchReach());
    const sweep = { view, bucket: broker.watches, lease: leaseId, clock: this.#clock };
    this.#scope.use(new Sweeper({ ...sweep, afterMs: lease.ttlMs, everyMs: Math.min(2_000, lease.ttlMs) }));
    this.#questions = this.#scope.use(
      new Questions({
        link: broker.link,
        bucket: broker.watches,
        view,
        version: this.#options.version ?? "0.0.0",
        lease: leaseId,
        mayPublish: () => lease.mayPublish(),
        connections: () => this.#connections,
        local: (key) => this.#controller?.local.get(key),
        hold: (target) => this.#book?.hold(target) ?? (() => undefined),
        activity: () => this.#activity(),
        clock: this.#clock,
      }),
    );
    await this.#questions.start();
  }

  /**
   * Connections came, went or changed (another object is another connection). Resolves when watches on those that
   * went have ended, so that the caller may close them.
   */
  async updateConnections(connections: ReadonlyMap<string, ConnectionRuntime>): Promise<void> {
    this.#connections = connections;
    this.#membership?.view.reconfigured();
    await this.#controller?.connectionsChanged();
    await this.#membership?.lease.renew();
  }

  updatePins(pins: readonly WatchTarget[]): void {
    this.#pins = pins;
    if (this.#book !== undefined) this.#holdPins();
  }

  /**
   * Hands every watch over, make before break; what nobody can take is flushed and released. Resolves when nothing is
   * owned any more, or at the deadline. `close` comes next.
   */
  async drain(
    options: { readonly deadlineMs?: number; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const controller = this.#controller;
    const membership = this.#membership;
    if (controller === undefined || membership === undefined || this.#draining) return;
    this.#draining = true;
    const { deadlineMs = 20_000, signal } = options;
    const until = this.#clock.monotonic() + deadlineMs;
    // While NATS is away nothing can be handed over: peers find the lease dead, and compare or announce the gap.
    if (!this.#options.broker.link.connected) return;
    for (const release of this.#releasePins.splice(0)) release();
    await membership.lease.renew();
    // A third of the time is kept for what nobody has taken by then.
    await this.#waitUntil(() => this.#ownsNothing() || !this.#hasPeers(), deadlineMs * 0.66, signal);
    controller.releaseAll();
    const left = Math.max(0, until - this.#clock.monotonic());
    await this.#waitUntil(() => this.#ownsNothing(), left, signal);
  }

  /** Ends everything at once and gives the lease back. Idempotent. */
  close(): Promise<void> {
    this.#draining = true;
    return this.#scope.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #watchReach(): Reach {
    const { denyAfterMs } = this.#options;
    return new Reach({
      watches: () => this.#localStates(),
      connection: (name) => this.#connections.get(name),
      onChange: () => void this.#membership?.lease.renew(),
      clock: this.#clock,
      ...(denyAfterMs === undefined
        ? {}
        : { afterMs: denyAfterMs, probeMs: denyAfterMs, everyMs: Math.min(2_000, denyAfterMs / 4) }),
    });
  }

  *#localStates(): Iterable<{ connection: string; state: LocalState["state"] }> {
    for (const { target, state } of this.#controller?.local.values() ?? []) {
      yield { connection: target.connection, state: state.state };
    }
  }

  #activity(): WatchActivity[] {
    return [...(this.#controller?.local.values() ?? [])].flatMap(({ activity, target }) => {
      const summary = activity.summary();
      return summary === undefined ? [] : { ...target, ...summary };
    });
  }

  #details(): LeaseDetails {
    const { capacity, version } = this.#options;
    const deny = this.#reach?.denied ?? [];
    const { messages = 0, inFlight = 0, lagMs = 0 } = this.#publisher?.depth ?? {};
    const connections = [...this.#connections.keys()];
    const caseSensitive = connections.filter((name) => this.#connections.get(name)?.caseSensitive === true);
    return {
      connections,
      ...(caseSensitive.length === 0 ? {} : { caseSensitive }),
      ...(capacity === undefined ? {} : { capacity }),
      ...(version === undefined ? {} : { version }),
      ...(deny.length === 0 ? {} : { deny }),
      ...(this.#draining ? { draining: true } : {}),
      ...(messages + inFlight === 0 ? {} : { lag: { messages: messages + inFlight, ms: Math.round(lagMs) } }),
    };
  }

  #leaseChanged(change: LeaseChange): void {
    this.#questions?.follow(this.leaseId);
    if (change.type === "lost") this.#controller?.leaseLost();
    else {
      this.#book?.sync();
      this.#publisher?.resume();
      this.#controller?.poke();
    }
  }

  #holdPins(): void {
    const book = this.#book;
    if (book === undefined) return;
    const before = this.#releasePins;
    this.#releasePins = this.#draining ? [] : this.#pins.map((target) => book.hold(target));
    for (const release of before) release();
  }

  #ownsNothing(): boolean {
    for (const _ of this.#controller?.owned() ?? []) return false;
    return true;
  }

  #hasPeers(): boolean {
    const me = this.leaseId;
    for (const { lease, record } of this.#membership?.view.workers() ?? []) {
      if (lease !== me && record.draining !== true) return true;
    }
    return false;
  }

  async #waitUntil(done: () => boolean, ms: number, signal: AbortSignal | undefined): Promise<void> {
    const { view } = this.#membership as Membership;
    const met = deferred<void>();
    const check = (): void => {
      if (done()) met.resolve();
    };
    const unsubscribe = view.onChange(check);
    try {
      check();
      await waitFor(met.promise, { signal, deadlineMs: ms, clock: this.#clock, what: "the hand-over" });
    } catch {
      // The deadline, or a second signal: what is left is taken over by the dead-lease path, with a resync.
      await sleep(0);
    } finally {
      unsubscribe();
    }
  }
}
