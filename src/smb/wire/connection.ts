import { ignoreRejection, onAbort, waitFor } from "../../base/async.ts";
import { AbortedError } from "../../base/errors.ts";
import { Command, commandName } from "../../codec/header.ts";
import { encodeEchoRequest } from "../../codec/msg/echo.ts";
import { SmbNotSentError } from "../errors.ts";
import type { ConnectionState } from "../facts.ts";
import type { ConnectionOptions } from "../options.ts";
import { Exchange } from "./exchange.ts";
import { type InboundContext, receive } from "./inbound.ts";
import { Keepalive } from "./keepalive.ts";
import { Leases } from "./leases.ts";
import { Call, type PendingRequest, type RequestOptions, type Response } from "./request.ts";
import type { SessionSecurity } from "./security.ts";
import { Telemetry } from "./telemetry.ts";
import { Transport } from "./transport.ts";

/** Before the peer has proven who it is, it gets no more than this of our memory for one frame. */
const UNTRUSTED_FRAME_BYTES = 65_536;
/** The largest answer we ever ask for is 1 MiB; the rest is headers and the transform. */
const FRAME_BYTES = (1 << 20) + 65_536;

/**
 * One TCP connection: one socket, one reader, one `Exchange` of requests and answers.
 * It knows nothing of logins and shares; `Session` and `Tree` do.
 *
 * `connecting`: the socket is not up. `negotiating`, `authenticating`: only the login talks.
 * `ready`: anyone may. `closing`: an orderly farewell is under way. `closed`: the socket is gone and every
 * request has ended. There is no way back.
 */
export class Connection {
  readonly telemetry: Telemetry;
  readonly options: ConnectionOptions;
  /** Fulfilled once closed: with the reason, or `undefined` when we asked for it. Never rejects. */
  readonly closed: Promise<Error | undefined>;
  /** What the server may want back. */
  readonly leases: Leases = new Leases();
  readonly #transport: Transport;
  readonly #exchange: Exchange;
  readonly #keepalive: Keepalive;
  readonly #inbound: InboundContext;
  #state: ConnectionState = "connecting";
  #resolveClosed!: (error: Error | undefined) => void;
  #closing: Promise<void> | undefined;
  #security: SessionSecurity | undefined;
  #sessionId = 0n;
  #multiCredit = false;

  private constructor(transport: Transport, options: ConnectionOptions) {
    this.options = options;
    this.telemetry = new Telemetry(options.label);
    this.#transport = transport;
    this.#keepalive = new Keepalive(options.clock, options.timeouts, {
      dead: (error) => this.destroy(error),
      overdue: (now) => this.#exchange.overdue(now),
      busy: () => this.#exchange.busy,
      echo: () => (this.#state === "ready" ? this.echo() : undefined),
    });
    this.#exchange = new Exchange(options.creditTarget, {
      telemetry: this.telemetry,
      timeouts: options.timeouts,
      now: () => this.#keepalive.now(),
      outbound: () => ({
        multiCredit: this.#multiCredit,
        sessionId: this.#sessionId,
        security: this.#security,
      }),
      send: (frame) => transport.send(frame),
      lookSoon: () => this.#keepalive.lookSoon(),
      destroy: (error) => this.destroy(error),
    });
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#inbound = {
      pending: this.#exchange.pending,
      credits: this.#exchange.credits,
      security: undefined,
      deliver: (request, response) => this.#exchange.deliver(request, response),
      interim: (request) => this.#exchange.interim(request),
      deadLetter: (command, reason) => this.telemetry.deadLetter(command, reason),
      recalled: (key) => this.leases.recall(key),
    };
  }

  /** Connects the socket. @throws SmbConnectionError, SmbTimeoutError, AbortedError */
  static async open(
    options: ConnectionOptions,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Connection> {
    const { host, port, clock, timeouts } = options;
    const transport = await Transport.connect({ host, port, clock, connectMs: timeouts.connectMs, signal });
    const connection = new Connection(transport, options);
    transport.maxFrameBytes = UNTRUSTED_FRAME_BYTES;
    transport.start({
      onFrame: (frame) => receive(frame, connection.#inbound),
      onBytes: (partial, frames) => connection.#keepalive.heard(partial, frames),
      onClose: (error) => connection.#ended(error),
    });
    connection.#move("negotiating");
    connection.#keepalive.start();
    return connection;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get security(): SessionSecurity | undefined {
    return this.#security;
  }

  /** Requests the server owes an answer, armed notifies included. */
  get outstanding(): number {
    return this.#exchange.pending.size;
  }

  /** The most credits one compound may cost here without waiting for ever. */
  get creditReach(): number {
    return this.#exchange.credits.reach;
  }

  /** NEGOTIATE is through. */
  negotiated(parameters: { readonly multiCredit: boolean }): void {
    this.#multiCredit = parameters.multiCredit;
    this.#move("authenticating");
  }

  /** The id that the login under way has got. */
  adoptSession(sessionId: bigint): void {
    this.#sessionId = sessionId;
  }

  /** The login is through: from here on requests are protected and answers must be. */
  authenticated(security: SessionSecurity): void {
    this.#security = security;
    (this.#inbound as { security: SessionSecurity | undefined }).security = security;
    this.#transport.maxFrameBytes = FRAME_BYTES;
    this.#move("ready");
  }

  /**
   * Sends requests, in one frame when there are several; at once or as soon as credits allow. Never
   * throws: each request learns its end by `onResponse` or `onFailure`.
   */
  submit(requests: readonly PendingRequest[]): void {
    if (this.#state === "closed") {
      const error = new SmbNotSentError(commandName(requests[0]?.command ?? 0), "the connection is closed");
      for (const request of requests) this.#exchange.fail(request, error);
      return;
    }
    this.#exchange.submit(requests);
  }

  /** One request with a promise. @throws what `waitFor` and the connection throw; a status is no error here. */
  async call(
    options: RequestOptions,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Response> {
    const call = new Call(options, this.options.timeouts.requestMs);
    this.submit([call]);
    return this.settle(call, signal);
  }

  /** Waits for a submitted call, and gives it up when the signal fires. @throws as `call` */
  async settle(call: Call, signal?: AbortSignal): Promise<Response> {
    await this.ended([call], signal);
    if (call.response === undefined) throw call.failure;
    return call.response;
  }

  /** Waits until all of them have ended, and gives up those that have not when the signal fires. Never rejects. */
  ended(calls: readonly Call[], signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      let left = 1;
      const end = (): void => {
        if (--left > 0) return;
        forget();
        resolve();
      };
      const abandon = (reason: unknown): void => {
        const error = new AbortedError(reason);
        for (const call of calls) {
          this.giveUp(call, error);
          if (!call.ended) call.onFailure(error);
        }
      };
      for (const call of calls) {
        if (call.ended) continue;
        left++;
        call.onEnd = end;
      }
      if (signal?.aborted === true) abandon(signal.reason);
      const forget = onAbort(left === 1 ? undefined : signal, abandon);
      end();
    });
  }

  /** Ends a request for its caller. What has not left yet does not leave; a late answer goes to `onOrphan`. */
  giveUp(request: PendingRequest, error: Error): void {
    this.#exchange.giveUp(request, error);
  }

  /**
   * Asks the server to give a request up (MS-SMB2 3.2.4.24). There is no answer to a CANCEL: the request itself
   * ends, normally with STATUS_CANCELLED. Silence proves nothing, and what the request still hears is heard.
   */
  cancel(request: PendingRequest): void {
    this.#exchange.cancel(request);
  }

  /** Nothing can answer a request any more but its end: it fails by SmbTimeoutError after `cancelMs`. */
  expire(request: PendingRequest): void {
    if (this.#state !== "closed") this.#exchange.expire(request);
  }

  /** Fulfilled by the server's answer, behind all it sent before. @throws SmbTimeoutError, SmbConnectionError, ClosedError */
  async echo(): Promise<void> {
    // The connection's own limit judges; a lost ECHO alone proves nothing.
    const echo = new Call({ command: Command.ECHO, body: encodeEchoRequest() }, undefined);
    this.submit([echo]);
    await this.settle(echo);
    this.telemetry.echo(this.#keepalive.now() - echo.sentAt);
  }

  /**
   * Ends in order: `farewell` may still talk, for `closeMs` at most, then the socket ends. Idempotent;
   * never rejects.
   */
  close(farewell?: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.#closing ??= this.#close(farewell);
    return this.#closing;
  }

  /** Ends now; every request fails with `error`. Idempotent. */
  destroy(error: Error): void {
    this.#transport.destroy(error);
  }

  async #close(farewell: ((signal: AbortSignal) => Promise<void>) | undefined): Promise<void> {
    if (this.#state !== "closed") {
      this.#move("closing");
      if (farewell !== undefined) {
        const hurry = new AbortController();
        const goodbye = farewell(hurry.signal);
        const { clock, timeouts } = this.options;
        try {
          await waitFor(goodbye, { deadlineMs: timeouts.closeMs, clock, what: "farewell" });
        } catch {
          // A server that does not say goodbye is left without one.
          hurry.abort();
          ignoreRejection(goodbye);
        }
      }
      this.#transport.close();
    }
    await this.closed;
  }

  #ended(reason: Error | undefined): void {
    this.#keepalive.stop();
    this.#move("closed", reason);
    this.#exchange.end(reason);
    this.#resolveClosed(reason);
  }

  #move(to: ConnectionState, error?: Error): void {
    const from = this.#state;
    if (from === to || from === "closed") return;
    this.#state = to;
    this.telemetry.state(from, to, error);
  }
}
