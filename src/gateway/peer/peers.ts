import { type Deferred, deferred, sleep, waitFor } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import type { ClientInfo } from "../clients.ts";
import { CLOSE } from "../close-codes.ts";
import type { GatewayTimes } from "../options.ts";
import type { Peer } from "./peer.ts";

/** Sockets re-checked side by side when keys change. */
const RECHECK_BATCH = 64;
/** A lone client need not wait: leaving is spread by this much for each. */
const DRAIN_MS_PER_PEER = 10;

/** A handshake's place in the counts of those that are let in. */
export interface Seat {
  /** It no longer counts as pending. */
  authenticated(): void;
  /** It no longer counts. Idempotent. */
  leave(): void;
}

/** All who are connected, from their handshake to the end of their socket. */
export class Peers {
  readonly #seats = new Map<Peer, Seat>();
  readonly #clock: Clock;
  readonly #times: GatewayTimes;
  #emptied: Deferred<void> = deferred<void>();

  constructor(clock: Clock, times: GatewayTimes) {
    this.#clock = clock;
    this.#times = times;
  }

  get subscriptions(): number {
    let subscriptions = 0;
    for (const peer of this.#seats.keys()) subscriptions += peer.subscriptions;
    return subscriptions;
  }

  add(peer: Peer, seat: Seat): void {
    this.#seats.set(peer, seat);
    if (peer.state === "open") seat.authenticated();
  }

  authenticated(peer: Peer): void {
    this.#seats.get(peer)?.authenticated();
  }

  remove(peer: Peer): void {
    this.#seats.get(peer)?.leave();
    this.#seats.delete(peer);
    if (this.#seats.size === 0) this.#emptied.resolve();
  }

  info(): readonly ClientInfo[] {
    return [...this.#seats.keys()].map((peer) => peer.info());
  }

  /** False where there is none of that id. */
  close(client: string, { reason, comesBack }: { reason: string; comesBack: boolean }): boolean {
    for (const peer of this.#seats.keys()) {
      if (peer.caller.id !== client) continue;
      peer.close(comesBack ? CLOSE.ended : CLOSE.unwanted, reason);
      return true;
    }
    return false;
  }

  /** What everybody may do is asked anew. Never rejects. */
  async recheck(): Promise<void> {
    const peers = [...this.#seats.keys()];
    for (let at = 0; at < peers.length; at += RECHECK_BATCH) {
      await Promise.all(peers.slice(at, at + RECHECK_BATCH).map((peer) => peer.recheck()));
    }
  }

  dropConnection(name: string): void {
    for (const peer of this.#seats.keys()) peer.dropConnection(name);
  }

  /** Sends everybody away, spread over `drainMs`, and waits for the last. Never rejects. */
  async drain(): Promise<void> {
    const { closeMs, drainMs } = this.#times;
    const peers = [...this.#seats.keys()];
    const step = Math.min(DRAIN_MS_PER_PEER, drainMs / Math.max(1, peers.length));
    const startedAt = this.#clock.monotonic();
    for (const [index, peer] of peers.entries()) {
      const wait = startedAt + index * step - this.#clock.monotonic();
      if (wait >= 1) await sleep(wait, { clock: this.#clock });
      peer.close(CLOSE.goingAway, "going away");
    }
    if (this.#seats.size === 0) return;
    this.#emptied = deferred<void>();
    await waitFor(this.#emptied.promise, {
      deadlineMs: 2 * closeMs,
      clock: this.#clock,
      what: "drain",
    }).catch(() => undefined);
  }
}
