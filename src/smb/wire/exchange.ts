import { AbortedError, errorCode } from "../../base/errors.ts";
import { commandName } from "../../codec/header.ts";
import { statusName } from "../../codec/status.ts";
import { SmbConnectionError, SmbCreditError, SmbNotSentError, SmbTimeoutError } from "../errors.ts";
import type { Timeouts } from "../options.ts";
import { CreditAccount } from "./credits.ts";
import { assemble, assembleCancel, chargeOf, type OutboundContext } from "./outbound.ts";
import { PendingTable } from "./pending.ts";
import type { PendingRequest, Response } from "./request.ts";
import { Shipment } from "./shipment.ts";
import type { Telemetry } from "./telemetry.ts";

export interface ExchangeHost {
  readonly telemetry: Telemetry;
  readonly timeouts: Timeouts;
  /** Watchdog time, ms. */
  readonly now: () => number;
  /** How requests are addressed and protected at this moment. */
  readonly outbound: () => OutboundContext;
  readonly send: (frame: Uint8Array) => void;
  /** A request that runs out of patience is among those that wait. */
  readonly lookSoon: () => void;
  /** Nothing can come of this connection any more. */
  readonly destroy: (error: Error) => void;
}

/**
 * Requests of one connection, from being submitted to their end: by an answer, by being given up, or by the connection's
 * end. Each waits for credits, then for its answer (MS-SMB2 3.2.1.2: OutstandingRequests and the sequence window).
 */
export class Exchange {
  readonly pending: PendingTable = new PendingTable();
  readonly credits: CreditAccount;
  readonly #host: ExchangeHost;
  readonly #transmit: (requests: readonly PendingRequest[], firstId: bigint) => void;
  #lastSpent: number;

  constructor(creditTarget: number, host: ExchangeHost) {
    this.credits = new CreditAccount(creditTarget);
    this.#host = host;
    this.#lastSpent = host.now();
    this.#transmit = (requests, firstId) => this.#send(requests, firstId);
  }

  /** Whether anything waits that has a limit. */
  get busy(): boolean {
    return this.pending.impatient > 0 || this.credits.waiting > 0;
  }

  /** In one frame when there are several; at once or as soon as credits allow. Never throws. */
  submit(requests: readonly PendingRequest[]): void {
    const { multiCredit } = this.#host.outbound();
    let charge = 0;
    for (const request of requests) charge += chargeOf(request, multiCredit);
    this.credits.submit(new Shipment(requests, charge, this.#transmit));
    this.#unstick();
  }

  /** Ends a request for its caller. What has not left yet does not leave; a late answer goes to `onOrphan`. */
  giveUp(request: PendingRequest, error: Error): void {
    if (request.state === "sent" || request.state === "interim") {
      this.pending.abandon(request);
      this.fail(request, error);
    } else if (request.state === "new") {
      const shipment = request.shipment;
      if (shipment !== undefined && this.credits.withdraw(shipment)) this.#failAll(shipment.requests, error);
    }
  }

  /** Asks the server to give a request up (MS-SMB2 3.2.4.24). */
  cancel(request: PendingRequest): void {
    if (request.state === "new") {
      this.giveUp(request, new AbortedError("cancelled before it was sent"));
      return;
    }
    if (request.state !== "sent" && request.state !== "interim") return;
    this.#host.send(assembleCancel(request, this.#host.outbound()));
  }

  /** Nothing can answer a request any more but its end: it fails by SmbTimeoutError after `cancelMs`. */
  expire(request: PendingRequest): void {
    this.pending.hurry(request, this.#host.timeouts.cancelMs, this.#host.now());
    this.#host.lookSoon();
  }

  /** The final answer has come, and is believed. */
  deliver(request: PendingRequest, response: Response): void {
    const { telemetry, now } = this.#host;
    telemetry.request(request.command, statusName(response.header.status), now() - request.sentAt);
    telemetry.credits(this.credits.available, this.credits.waiting);
    request.onResponse(response);
    this.#unstick();
  }

  /** STATUS_PENDING has come, and is believed. */
  interim(request: PendingRequest): void {
    request.since = this.#host.now();
    request.onInterim();
  }

  /** Ends what has waited for too long. */
  overdue(now: number): void {
    for (const request of this.pending.overdue(now)) {
      this.giveUp(request, new SmbTimeoutError(commandName(request.command), now - request.since));
    }
    if (this.credits.waiting > 0 && now - this.#lastSpent >= this.#host.timeouts.requestMs) {
      this.#host.destroy(new SmbCreditError("no credits came while requests were waiting", "silent"));
    }
  }

  /** The connection has ended, and every request with it. */
  end(reason: Error | undefined): void {
    const error = reason ?? new SmbConnectionError("the connection was closed by this side");
    this.#failAll(this.pending.drain(), error);
    const unsent = new SmbNotSentError("request", error);
    for (const shipment of this.credits.abandonQueue())
      this.#failAll((shipment as Shipment).requests, unsent);
  }

  fail(request: PendingRequest, error: Error): void {
    const ms = request.sentAt === 0 ? 0 : this.#host.now() - request.sentAt;
    this.#host.telemetry.request(request.command, errorCode(error), ms);
    request.onFailure(error);
  }

  #failAll(requests: Iterable<PendingRequest>, error: Error): void {
    for (const request of requests) {
      request.state = "done";
      this.fail(request, error);
    }
  }

  #send(requests: readonly PendingRequest[], firstId: bigint): void {
    const { now, send, outbound, lookSoon } = this.#host;
    const bytes = assemble(requests, firstId, (charge) => this.credits.askFor(charge), outbound());
    const at = now();
    this.#lastSpent = at;
    for (const request of requests) {
      request.since = at;
      request.sentAt = at;
      this.pending.add(request);
    }
    send(bytes);
    if (this.pending.impatient > 0) lookSoon();
  }

  /** A queue that no answer can unlock: the server owes us credits for ever. */
  #unstick(): void {
    if (this.credits.stuck === undefined) return;
    if (this.credits.available === 0) {
      this.#host.destroy(new SmbCreditError("the server left us without credits", "malformed"));
      return;
    }
    for (let stuck = this.credits.stuck; stuck !== undefined; stuck = this.credits.stuck) {
      const error = new SmbCreditError(
        `a request costs ${stuck.charge} credits, the server grants ${this.credits.available}`,
      );
      this.credits.withdraw(stuck);
      this.#failAll((stuck as Shipment).requests, error);
    }
  }
}
