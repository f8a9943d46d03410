import { deferred, waitFor } from "../../base/async.ts";
import { stages } from "../../base/channels.ts";
import type { Doubt } from "../doubt.ts";
import type { WatchMode } from "../events.ts";
import { doubts, type HandleState } from "../facts.ts";
import { every } from "../pacing.ts";
import { type NotifyOutcome, SourceError } from "../source.ts";
import { Certainty } from "./certainty.ts";
import { Coalescer, type LocatedChange } from "./coalesce.ts";
import type { HandleServices, HandleSpec, HandleView } from "./handle-port.ts";
import {
  asPollError,
  asSourceError,
  type HandleStatus,
  type Loss,
  publishAnswer,
  publishMove,
  stateAfter,
  statusAfter,
} from "./handle-status.ts";
import { IdentityCheck } from "./identity-check.ts";
import { NotifyRequests } from "./notify-requests.ts";
import { Recovery } from "./recovery.ts";
import { secondLook } from "./second-look.ts";
import { StrayRecordCheck } from "./stray-records.ts";

/*
 * One handle on one directory, kept alive for ever.
 *
 *   idle         made, not started.
 *   opening      asks for a handle.
 *   arming       the first CHANGE_NOTIFY is on its way to the server.
 *   scanning     armed; the first picture is being taken. What the server says meanwhile is told at
 *                once and wins over the listing.
 *   live         armed, pictured. The only way out without a failure is `rescanning` and back.
 *   rescanning   armed; every doubt ends here (overflow, unknown or unusable record, a lost and
 *                re-opened handle, the rescan timer): list, compare, tell the differences.
 *   polling      the server cannot notify: the same comparison on a timer; hourly asked to notify again.
 *   gone         the path names no directory we can hold; asked again quickly at first, then slowly.
 *   denied       the account may not; asked again slowly.
 *   unreachable  server or share is away (waits for the source), or short of something (backs off).
 *   stopped      closed. Final.
 *
 *   idle -> opening -> arming -> scanning -> live <-> rescanning
 *   opening, arming, scanning, live, rescanning, polling -> gone | denied | unreachable -> opening
 *   arming -> polling -> opening        any -> stopped
 *
 * `live` is entered only when the server has accepted the first request, the listing that began after it is complete, and
 * no doubt arose meanwhile.
 */

/** Servers get configured: one that could not notify is asked again this often. */
const NOTIFY_AGAIN_MS = 3_600_000;

export class ArmedHandle implements HandleView {
  readonly spec: HandleSpec;
  readonly #services: HandleServices;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #state: HandleState = "idle";
  #status: HandleStatus = { state: "starting", mode: "notify" };
  /** The server may have been deaf at first, and nobody has looked since. */
  lookDue = false;
  #lose: ((loss: Loss) => void) | undefined;
  #rescan: (() => void) | undefined;
  #check: (() => void) | undefined;
  readonly #certainty: Certainty;
  readonly #recovery: Recovery;
  readonly #identity: IdentityCheck;

  constructor(spec: HandleSpec, services: HandleServices) {
    this.spec = spec;
    this.#services = services;
    this.#recovery = new Recovery(services);
    this.#identity = new IdentityCheck(spec, services, this);
    this.#certainty = new Certainty(services.clock);
  }

  get state(): HandleState {
    return this.#state;
  }

  get status(): HandleStatus {
    return this.#status;
  }

  get untold(): boolean {
    return this.#identity.lastWrite.untold;
  }

  get failures(): number {
    return this.#recovery.failures;
  }

  get settled(): boolean {
    return ["live", "gone", "denied"].includes(this.#status.state);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Something may have been missed since `since`; a rescan follows as soon as the handle is armed. */
  doubt(reason: Doubt["reason"], since: number = this.#certainty.since): void {
    doubts.publish({ connection: this.#services.options.label, path: this.spec.path, reason });
    this.#certainty.doubt({ reason, since });
    this.#rescan?.();
  }

  /** Looks now whether the path still names the directory we hold, or whether a failure has passed. */
  poke(): void {
    this.#check?.();
    this.retry();
  }

  readonly retry: () => void = () => this.#recovery.wake();

  /** The path does not name the directory any more that we hold: what that tells is of another place. */
  evict(): void {
    const error = new SourceError("gone", "the path does not name the watched directory any more");
    this.#services.strays.released();
    this.#fail(error, "silent", this.#identity.healthyAt);
    this.retry();
  }

  close(): Promise<void> {
    this.#stop.abort();
    return this.#running ?? Promise.resolve();
  }

  #move(to: HandleState, error?: SourceError): void {
    const from = this.#state;
    if (from === to && error === undefined) return;
    this.#state = to;
    publishMove(this.#services.options.label, this.spec, from, to, error);
    const before = this.#status;
    this.#status = statusAfter(before, to, error);
    if (this.#status !== before) this.#services.host.statusChanged(this);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const loss = await this.#session(signal).catch((error: unknown): Loss => {
        return { error: asSourceError(error), reason: "reconnect", since: this.#certainty.since };
      });
      if (signal.aborted) break;
      // A server that cannot notify has dropped nothing.
      const reason = loss.error.failure === "unsupported" ? "timer" : loss.reason;
      this.#certainty.doubt({ reason, since: loss.since });
      await this.#recover(loss, signal).catch(() => undefined);
    }
    this.#move("stopped");
  }

  /** Ends with the reason why the handle is of no use any more. */
  async #session(stop: AbortSignal): Promise<Loss> {
    const { source, host, clock, strays, removals } = this.#services;
    const { path, recursive, filter, polled = false } = this.spec;
    const session = new AbortController();
    const signal = AbortSignal.any([stop, session.signal]);
    const lost = deferred<Loss>();
    this.#lose = lost.resolve;
    this.#move("opening");
    if (polled) throw new SourceError("unsupported", "the share's root may not be watched");
    const check = new StrayRecordCheck(strays, clock, () => this.#lookAgain());
    const directory = await source.open(path, { signal, recursive });
    const coalescer = new Coalescer(clock, recursive, (change) => this.#tell([change]), removals);
    const depth = source.traits.notifyDepth;
    const requests = new NotifyRequests(directory, { recursive, filter, depth }, (outcome) => {
      this.#answered(outcome, coalescer);
      check.heard(outcome);
      this.#identity.lastWrite.heard(outcome);
    });
    const timers = [() => check.stop(), () => this.#identity.lastWrite.stop()];
    try {
      await host.admit(this, directory.info, signal);
      this.#move("arming");
      const armedAt = clock.monotonic();
      if (!(await waitFor(requests.start(), { signal }))) return await waitFor(lost.promise, { signal });
      this.#certainty.confirm(armedAt);
      this.#identity.healthyAt = armedAt;
      const early = await Promise.race([this.#rescanUntilSure("notify", "scanning", signal), lost.promise]);
      if (early !== undefined) return early;
      this.#recovery.healed();
      this.#rescan = () => void this.#rescanLive(signal);
      this.#check = () =>
        void this.#identity.lost(directory.info, signal).then((lost) => lost && this.evict());
      timers.push(...this.#timers(requests));
      this.#move("live");
      if (this.#certainty.doubtful) this.#rescan();
      return await waitFor(lost.promise, { signal });
    } finally {
      this.#lose = undefined;
      this.#rescan = undefined;
      this.#check = undefined;
      for (const cancel of timers) cancel();
      requests.stop();
      session.abort();
      this.#tell(coalescer.flush());
      await directory.close().catch(() => undefined);
    }
  }

  #lookAgain(): boolean {
    if (this.#state !== "live") return false;
    this.#rescan?.();
    return true;
  }

  #timers(requests: NotifyRequests): (() => void)[] {
    const { clock, options, random } = this.#services;
    const often = (ms: number, fn: () => unknown): (() => void) =>
      every(clock, ms, ms * (0.5 + random() / 2), fn);
    return [
      often(options.healthSeconds * 1_000, () => this.#check?.()),
      often(options.refreshMinutes * 60_000, () => void this.#renew(requests)),
      // One under way will do: it may take longer than the time between two.
      often(this.spec.rescanMinutes * 60_000, () => this.#state === "live" && this.doubt("timer")),
      secondLook(this.#services, this, () => this.doubt("settling")),
    ];
  }

  /** A server may have forgotten us without a word; after a silent period only a listing can tell. */
  async #renew(requests: NotifyRequests): Promise<void> {
    const { clock, options } = this.#services;
    const silentSince = this.#certainty.since;
    await requests.refresh();
    const silent = clock.monotonic() - this.#certainty.since >= (options.refreshMinutes * 60_000) / 2;
    if (silent && this.#certainty.since === silentSince) this.doubt("silent", silentSince);
  }

  #answered(outcome: NotifyOutcome, coalescer: Coalescer): void {
    stages.publish("heard");
    const { clock, options } = this.#services;
    publishAnswer(options.label, this.spec.path, outcome);
    const { since } = this.#certainty;
    this.#certainty.heard();
    switch (outcome.type) {
      case "records": {
        const { changes, doubtful } = coalescer.push(outcome.records);
        this.#certainty.confirm(clock.monotonic());
        this.#tell(changes);
        if (doubtful || outcome.doubtful === true) this.doubt("overflow", since);
        return;
      }
      case "overflow":
        this.#tell(coalescer.flush());
        this.doubt("overflow", since);
        this.#certainty.confirm(clock.monotonic());
        return;
      case "cleanup":
        this.#fail(new SourceError("unreachable", "the server dropped the handle"), "server-cleanup", since);
        return;
      case "failed":
        this.#fail(outcome.error, "reconnect", since);
    }
  }

  #tell(changes: readonly LocatedChange[]): void {
    if (changes.length > 0 && !this.#stop.signal.aborted) this.#services.host.notified(this, changes);
  }

  /** The handle is of no use any more. */
  #fail(error: SourceError, reason: Loss["reason"], since: number): void {
    this.#lose?.({ error, reason, since });
  }

  /** Ends when no doubt is left. */
  async #rescanUntilSure(mode: WatchMode, state: HandleState, signal: AbortSignal): Promise<undefined> {
    const via = mode === "poll" ? "poll" : "rescan";
    this.#move(state);
    await this.#certainty.restore(
      async (doubt) => {
        const found = await this.#services.host.rescan(this, doubt, via, signal);
        this.#identity.lastWrite.compared(found, doubt?.reason);
      },
      { pause: state === "rescanning", signal },
    );
  }

  async #rescanLive(signal: AbortSignal): Promise<void> {
    if (this.#state !== "live") return;
    try {
      await this.#rescanUntilSure("notify", "rescanning", signal);
      this.#move("live");
      if (this.#certainty.doubtful) this.#rescan?.();
    } catch (error) {
      if (signal.aborted) return;
      this.#fail(asSourceError(error), "reconnect", this.#certainty.since);
    }
  }

  async #recover({ error, reason }: Loss, signal: AbortSignal): Promise<void> {
    const recovery = this.#recovery;
    recovery.failed();
    if (error.failure === "unsupported") return this.#poll(signal);
    const away = error.failure === "unreachable";
    // A dropped handle on a living connection is opened again before anybody need hear of it.
    if (away && reason === "server-cleanup" && recovery.failures === 1) return;
    this.#move(stateAfter(error.failure), error);
    if (!away || recovery.failures > 1) await recovery.pauseAfter(error.failure, signal);
    if (recovery.isAtTheDoor(error.failure)) await this.#reach(signal);
  }

  /** The source owns reconnecting; a login it will not repeat is asked for again slowly. */
  async #reach(signal: AbortSignal): Promise<void> {
    try {
      // That it is away has been told.
      const onFailed = (why: SourceError): unknown => why.failure === "policy" && this.#move("denied", why);
      await this.#services.source.reachable({ signal, onFailed });
    } catch (error) {
      if (signal.aborted) throw error;
      const refusal = asSourceError(error);
      this.#move(stateAfter(refusal.failure), refusal);
      await this.#recovery.pauseAfter(refusal.failure, signal);
    }
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { options, clock } = this.#services;
    const triedAt = clock.monotonic();
    this.#rescan = () => this.#recovery.wake();
    while (clock.monotonic() - triedAt < NOTIFY_AGAIN_MS) {
      try {
        await this.#rescanUntilSure("poll", this.#state === "polling" ? "polling" : "scanning", signal);
      } catch (error) {
        if (signal.aborted) throw error;
        const loss: Loss = { error: asPollError(error), reason: "reconnect", since: this.#certainty.since };
        this.#certainty.doubt({ reason: loss.reason, since: loss.since });
        return await this.#recover(loss, signal);
      }
      this.#recovery.healed();
      this.#move("polling");
      await this.#recovery.pause(options.pollSeconds * 1_000, signal);
      if (!this.#certainty.doubtful) this.#certainty.doubt({ reason: "timer", since: this.#certainty.since });
    }
  }
}
