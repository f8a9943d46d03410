import { ignoreRejection } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import { SmbTimeoutError } from "../errors.ts";
import type { Timeouts } from "../options.ts";
import { Watchdog } from "./watchdog.ts";

/** How finely overdue requests are looked for, at most. */
const SWEEP_MS = 1_000;

/** What the keepalive asks of, and tells to, its connection. */
export interface KeepaliveTarget {
  /** The peer is given up. */
  dead(error: Error): void;
  /** Time to end requests whose patience is over. */
  overdue(now: number): void;
  /** Whether any request has a limit to its patience: then `overdue` is called about once a second. */
  busy(): boolean;
  /** Sends ECHO; `undefined` when this is not the time for it. Settles with its answer. */
  echo(): Promise<unknown> | undefined;
}

/**
 * Judges silence: ECHO after `echoMs` without a byte, the end after `deadMs` (MS-SMB2 3.2.6.1 leaves
 * both to the client). One timer serves all requests of the connection; an idle connection wakes it
 * only to send ECHO.
 */
export class Keepalive {
  readonly #watchdog: Watchdog;
  readonly #timeouts: Timeouts;
  readonly #target: KeepaliveTarget;
  readonly #sweepMs: number;
  #lastBytes: number;
  #partialSince: number | undefined;
  #echoing = false;

  constructor(clock: Clock, timeouts: Timeouts, target: KeepaliveTarget) {
    this.#timeouts = timeouts;
    this.#target = target;
    this.#sweepMs = Math.min(SWEEP_MS, timeouts.requestMs / 4, timeouts.cancelMs / 4);
    this.#watchdog = new Watchdog(clock, (now) => this.#judge(now));
    this.#lastBytes = this.#watchdog.now();
  }

  /** Awake time, ms. */
  now(): number {
    return this.#watchdog.now();
  }

  start(): void {
    this.#watchdog.within(Math.min(this.#timeouts.echoMs, this.#timeouts.deadMs));
  }

  stop(): void {
    this.#watchdog.stop();
  }

  /** A request with limited patience is out. */
  lookSoon(): void {
    this.#watchdog.within(this.#sweepMs);
  }

  /** Bytes arrived that completed `frames` frames; `partial` when they end inside another. */
  heard(partial: boolean, frames: number): void {
    this.#lastBytes = this.#watchdog.now();
    if (!partial) this.#partialSince = undefined;
    else if (frames > 0) this.#partialSince = this.#lastBytes;
    else this.#partialSince ??= this.#lastBytes;
  }

  /** Returns in how many ms to judge again. */
  #judge(now: number): number {
    const { echoMs, deadMs } = this.#timeouts;
    const silent = now - this.#lastBytes;
    if (silent >= deadMs) {
      this.#target.dead(new SmbTimeoutError("connection", silent));
      return deadMs;
    }
    const partial = this.#partialSince === undefined ? 0 : now - this.#partialSince;
    if (partial >= deadMs) {
      this.#target.dead(new SmbTimeoutError("the rest of a frame", partial));
      return deadMs;
    }
    this.#target.overdue(now);
    if (silent >= echoMs && !this.#echoing) this.#echo();
    const next = silent >= echoMs ? deadMs - silent : Math.min(echoMs, deadMs) - silent;
    return this.#target.busy() ? Math.min(this.#sweepMs, next) : next;
  }

  #echo(): void {
    const answer = this.#target.echo();
    if (answer === undefined) return;
    this.#echoing = true;
    ignoreRejection(
      answer.finally(() => {
        this.#echoing = false;
      }),
    );
  }
}
