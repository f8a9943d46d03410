import { deferred, waitFor } from "../../base/async.ts";
import type { Doubt } from "../doubt.ts";
import type { WatchMode } from "../events.ts";
import { doubts, type HandleState } from "../facts.ts";
import { SourceError } from "../source.ts";
import { Breaker } from "./breaker.ts";
import { Certainty } from "./certainty.ts";
import type { LocatedChange } from "./coalesce.ts";
import type { HandleServices, HandleSpec, HandleView } from "./handle-port.ts";
import {
  asPollError,
  asSourceError,
  type HandleStatus,
  type Loss,
  publishMove,
  STARTING,
  stateAfter,
  statusAfter,
} from "./handle-status.ts";
import { IdentityCheck } from "./identity-check.ts";
import { Recovery } from "./recovery.ts";
import { Session, type SessionOwner } from "./session.ts";

/*
 * One handle on one directory, kept alive for ever.
 *
 *   idle         made, not started, or waiting until some that have begun before are live.
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

/**
 * A live handle is a few small objects and nothing that waits: no promise, no timer, no signal of its own. There are tens
 * of thousands, and what waits in an asynchronous function keeps all that this has in hand.
 */
export class ArmedHandle implements HandleView, SessionOwner {
  readonly spec: HandleSpec;
  readonly #services: HandleServices;
  readonly #stop = new Breaker();
  #running: Promise<void> | undefined;
  #state: HandleState = "idle";
  #status: HandleStatus = STARTING;
  /** The server may have been deaf at first, and nobody has looked since. */
  lookDue = false;
  /** From asking for the directory's handle until that is closed. */
  #session: Session | undefined;
  /** Ends a session that is not live yet. */
  #lose: ((loss: Loss) => void) | undefined;
  /** A live session is about to end. */
  #leaving = false;
  /** Directories are listed from time to time instead. */
  #polls = false;
  readonly certainty: Certainty;
  readonly #recovery: Recovery;
  readonly identity: IdentityCheck;

  constructor(spec: HandleSpec, services: HandleServices) {
    this.spec = spec;
    this.#services = services;
    this.#recovery = new Recovery(services);
    this.identity = new IdentityCheck(spec, services, this);
    this.certainty = new Certainty(services.clock);
  }

  get state(): HandleState {
    return this.#state;
  }

  get status(): HandleStatus {
    return this.#status;
  }

  get untold(): boolean {
    return this.identity.lastWrite.untold;
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
  doubt(reason: Doubt["reason"], since: number = this.certainty.since): void {
    doubts.publish({ connection: this.#services.options.label, path: this.spec.path, reason });
    this.certainty.doubt({ reason, since });
    this.#rescan();
  }

  /** Looks now whether the path still names the directory we hold, or whether a failure has passed. */
  poke(): void {
    this.#session?.poke();
    this.retry();
  }

  retry(): void {
    this.#recovery.wake();
  }

  /** The path does not name the directory any more that we hold: what that tells is of another place. */
  evict(): void {
    const error = new SourceError("gone", "the path does not name the watched directory any more");
    this.#services.strays.released();
    this.fail(error, "silent", this.identity.healthyAt);
    this.retry();
  }

  close(): Promise<void> {
    if (!this.#stop.broken) {
      this.#stop.break();
      this.#services.beginnings.hurry(this);
      this.#session?.breaker.break();
      if (this.#session?.held !== undefined) this.#leave(undefined);
    }
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

  /** Ends when the handle is live, and goes on when it is lost; or ends for ever. */
  async #run(lost?: Loss): Promise<void> {
    for (let loss = lost; !this.#stop.broken; ) {
      if (loss !== undefined) {
        // A server that cannot notify has dropped nothing.
        const reason = loss.error.failure === "unsupported" ? "timer" : loss.reason;
        this.certainty.doubt({ reason, since: loss.since });
        const passed = loss;
        await this.#stop.lend((signal) => this.#recover(passed, signal)).catch(() => undefined);
        if (this.#stop.broken) break;
      }
      const leave = await this.#services.beginnings.enter(this);
      try {
        if (this.#stop.broken) break;
        loss = await this.#begin();
      } finally {
        leave();
      }
      if (loss === undefined && this.#session !== undefined) return;
    }
    this.#move("stopped");
  }

  /** Opens, arms, lists. Returns why the handle is of no use, or `undefined`: it is live, or closed. */
  async #begin(): Promise<Loss | undefined> {
    const session = new Session(this.spec, this.#services, this);
    const lost = deferred<Loss>();
    this.#session = session;
    this.#lose = lost.resolve;
    let loss: Loss | undefined;
    try {
      loss = await session.breaker.lend((signal) => this.#open(session, lost.promise, signal));
      if (loss === undefined && !session.breaker.broken) {
        this.#live(session);
        return undefined;
      }
    } catch (error) {
      loss = { error: asSourceError(error), reason: "reconnect", since: this.certainty.since };
    }
    await this.#end(session);
    return loss;
  }

  /** @throws SourceError, AbortedError */
  async #open(session: Session, lost: Promise<Loss>, signal: AbortSignal): Promise<Loss | undefined> {
    const { host, clock } = this.#services;
    this.#move("opening");
    if (this.spec.polled === true)
      throw new SourceError("unsupported", "the share's root may not be watched");
    const { directory, requests } = await session.open(signal);
    await host.admit(this, directory.info, signal);
    this.#move("arming");
    const armedAt = clock.monotonic();
    if (!(await waitFor(requests.start(), { signal }))) return await waitFor(lost, { signal });
    this.certainty.confirm(armedAt);
    this.identity.healthyAt = armedAt;
    // The comparison may go on when the race is over: the signal is lent to it by itself.
    const sure = session.breaker.lend((own) => this.#rescanUntilSure("notify", "scanning", own));
    return await Promise.race([sure, lost]);
  }

  #live(session: Session): void {
    this.#recovery.healed();
    this.#lose = undefined;
    this.#polls = false;
    session.live();
    this.#move("live");
    if (this.certainty.doubtful) this.#rescan();
  }

  async #end(session: Session): Promise<void> {
    this.#session = undefined;
    this.#lose = undefined;
    this.#polls = false;
    this.identity.drop();
    this.tell(session.stop());
    await session.close();
  }

  /** A live session is over: because of a loss, or for good. */
  #leave(loss: Loss | undefined): void {
    const session = this.#session;
    if (session === undefined || this.#leaving) return;
    this.#leaving = true;
    this.#running = Promise.resolve()
      .then(() => this.#end(session))
      .then(() => {
        this.#leaving = false;
        return this.#run(loss);
      });
  }

  #rescan(): void {
    if (this.#polls) this.#recovery.wake();
    else if (this.#session?.held !== undefined) void this.#rescanLive(this.#session);
  }

  lookNow(): boolean {
    if (this.#state !== "live") return false;
    this.#rescan();
    return true;
  }

  check(): void {
    void this.#session?.check();
  }

  renew(): void {
    void this.#session?.renew();
  }

  /** One under way will do: it may take longer than the time between two. */
  compare(): void {
    if (this.#state === "live") this.doubt("timer");
  }

  lookAgain(): void {
    this.lookDue = false;
    this.doubt("settling");
  }

  tell(changes: readonly LocatedChange[]): void {
    if (changes.length > 0 && !this.#stop.broken) this.#services.host.notified(this, changes);
  }

  /** The handle is of no use any more. */
  fail(error: SourceError, reason: Loss["reason"], since: number): void {
    const loss = { error, reason, since };
    if (this.#lose !== undefined) this.#lose(loss);
    else if (this.#session?.held !== undefined) this.#leave(loss);
  }

  /** Ends when no doubt is left. */
  async #rescanUntilSure(mode: WatchMode, state: HandleState, signal: AbortSignal): Promise<undefined> {
    const via = mode === "poll" ? "poll" : "rescan";
    this.#move(state);
    await this.certainty.restore(
      async (doubt) => {
        const found = await this.#services.host.rescan(this, doubt, via, signal);
        this.identity.lastWrite.compared(found, doubt?.reason);
      },
      { pause: state === "rescanning", signal },
    );
  }

  async #rescanLive({ breaker }: Session): Promise<void> {
    if (this.#state !== "live") return;
    try {
      await breaker.lend((signal) => this.#rescanUntilSure("notify", "rescanning", signal));
      if (breaker.broken) return;
      this.#move("live");
      if (this.certainty.doubtful) this.#rescan();
    } catch (error) {
      if (breaker.broken) return;
      this.fail(asSourceError(error), "reconnect", this.certainty.since);
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
    if (!recovery.isAtTheDoor(error.failure)) return;
    await recovery.reach(this.#services.source, (why) => this.#move(stateAfter(why.failure), why), signal);
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { options, clock } = this.#services;
    const triedAt = clock.monotonic();
    this.#polls = true;
    while (clock.monotonic() - triedAt < NOTIFY_AGAIN_MS) {
      try {
        await this.#rescanUntilSure("poll", this.#state === "polling" ? "polling" : "scanning", signal);
      } catch (error) {
        if (signal.aborted) throw error;
        const loss: Loss = { error: asPollError(error), reason: "reconnect", since: this.certainty.since };
        this.certainty.doubt({ reason: loss.reason, since: loss.since });
        return await this.#recover(loss, signal);
      }
      this.#recovery.healed();
      this.#move("polling");
      await this.#recovery.pause(options.pollSeconds * 1_000, signal);
      if (!this.certainty.doubtful) this.certainty.doubt({ reason: "timer", since: this.certainty.since });
    }
  }
}
