import { stages } from "../../base/channels.ts";
import type { Doubt } from "../doubt.ts";
import { type NotifyOutcome, SourceError, type WatchedDirectory } from "../source.ts";
import { Breaker } from "./breaker.ts";
import type { Certainty } from "./certainty.ts";
import { Chores, type ChoresOwner } from "./chores.ts";
import { Coalescer, type LocatedChange } from "./coalesce.ts";
import type { HandleServices, HandleSpec } from "./handle-port.ts";
import { type Loss, publishAnswer } from "./handle-status.ts";
import type { IdentityCheck } from "./identity-check.ts";
import { NotifyRequests, type OutcomeTaker } from "./notify-requests.ts";
import { StrayRecordCheck, type StrayRecordOwner } from "./stray-records.ts";

export interface SessionOwner extends ChoresOwner, StrayRecordOwner {
  readonly identity: IdentityCheck;
  readonly certainty: Certainty;
  doubt(reason: Doubt["reason"], since?: number): void;
  evict(): void;
  /** The handle is of no use any more. */
  fail(error: SourceError, reason: Loss["reason"], since: number): void;
  tell(changes: readonly LocatedChange[]): void;
}

/** From asking for a directory's handle until that is closed: what lives and ends with it. */
export class Session implements OutcomeTaker {
  readonly breaker: Breaker = new Breaker();
  readonly #spec: HandleSpec;
  readonly #services: HandleServices;
  readonly #owner: SessionOwner;
  readonly #strays: StrayRecordCheck;
  #directory: WatchedDirectory | undefined;
  #requests: NotifyRequests | undefined;
  /** Made when the server has said something for the first time. */
  #coalescer: Coalescer | undefined;
  /** Since it is live. */
  #chores: Chores | undefined;

  constructor(spec: HandleSpec, services: HandleServices, owner: SessionOwner) {
    this.#spec = spec;
    this.#services = services;
    this.#owner = owner;
    this.#strays = new StrayRecordCheck(services.strays, services.clock, owner);
  }

  /** What is held, since it is live. */
  get held(): WatchedDirectory | undefined {
    return this.#chores === undefined ? undefined : this.#directory;
  }

  get #coalesced(): Coalescer {
    if (this.#coalescer !== undefined) return this.#coalescer;
    const { clock, removals } = this.#services;
    const late = (change: LocatedChange): void => this.#owner.tell([change]);
    this.#coalescer = new Coalescer(clock, this.#spec.recursive, late, removals);
    return this.#coalescer;
  }

  /** @throws SourceError, AbortedError */
  async open(signal: AbortSignal): Promise<{ directory: WatchedDirectory; requests: NotifyRequests }> {
    const { source } = this.#services;
    const { path, recursive, filter } = this.#spec;
    const directory = await source.open(path, { signal, recursive });
    const depth = source.traits.notifyDepth;
    const requests = new NotifyRequests(directory, { recursive, filter, depth }, this);
    this.#directory = directory;
    this.#requests = requests;
    return { directory, requests };
  }

  answered(outcome: NotifyOutcome): void {
    stages.publish("heard");
    publishAnswer(this.#services.options.label, this.#spec.path, outcome);
    this.#take(outcome);
    this.#owner.identity.lastWrite.heard(outcome);
    this.#strays.heard(outcome);
  }

  #take(outcome: NotifyOutcome): void {
    const owner = this.#owner;
    const { certainty } = owner;
    const { clock } = this.#services;
    const { since } = certainty;
    certainty.heard();
    switch (outcome.type) {
      case "records": {
        const { changes, doubtful } = this.#coalesced.push(outcome.records);
        certainty.confirm(clock.monotonic());
        owner.tell(changes);
        if (doubtful || outcome.doubtful === true) owner.doubt("overflow", since);
        return;
      }
      case "overflow":
        owner.tell(this.#flush());
        owner.doubt("overflow", since);
        certainty.confirm(clock.monotonic());
        return;
      case "cleanup":
        owner.fail(new SourceError("unreachable", "the server dropped the handle"), "server-cleanup", since);
        return;
      case "failed":
        owner.fail(outcome.error, "reconnect", since);
    }
  }

  #flush(): readonly LocatedChange[] {
    return this.#coalescer?.flush() ?? [];
  }

  /** Armed and pictured: from now on it is looked after. */
  live(): void {
    this.#chores = new Chores(this.#spec, this.#services, this.#owner);
  }

  /** A health check, as soon as it is its turn. */
  poke(): void {
    this.#chores?.check();
  }

  /** Whether the path names another directory by now, or none. */
  async check(): Promise<void> {
    const { held } = this;
    if (held === undefined || this.breaker.broken) return;
    const { identity } = this.#owner;
    if (await this.breaker.lend((signal) => identity.lost(held.info, signal))) this.#owner.evict();
  }

  /** A server may have forgotten us without a word; after a silent period only a listing can tell. */
  async renew(): Promise<void> {
    const { clock, options } = this.#services;
    const { certainty } = this.#owner;
    const { since } = certainty;
    await this.#requests?.refresh();
    const silent = clock.monotonic() - certainty.since >= (options.refreshMinutes * 60_000) / 2;
    if (silent && certainty.since === since) this.#owner.doubt("silent", since);
  }

  /** Ends all but the handle itself. What was half told is returned. */
  stop(): readonly LocatedChange[] {
    this.#chores?.stop();
    this.#strays.stop();
    this.#requests?.stop();
    this.breaker.break();
    return this.#flush();
  }

  /** Never rejects. */
  async close(): Promise<void> {
    await this.#directory?.close().catch(() => undefined);
  }
}
