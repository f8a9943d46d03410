import { setMaxListeners } from "node:events";
import type { FleetClient } from "../../fleet/port.ts";
import type { Admitted, CurrentKeys } from "../auth/index.ts";
import type { ClientInfo } from "../clients.ts";
import { CLOSE } from "../close-codes.ts";
import { RequestError, type TokenFault, toRequestError } from "../errors.ts";
import { authFailureFacts, requestFacts, socketFacts } from "../facts.ts";
import type { Hub } from "../hub/index.ts";
import type { ServedConnection } from "../options.ts";
import { aboutFrame } from "./about.ts";
import { Authentication, type AuthenticationOwner } from "./authentication.ts";
import { type Caller, clientInfo } from "./caller.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Listings } from "./listings.ts";
import { type FrameSink, Outbox } from "./outbox.ts";
import type { Pressure } from "./pressure.ts";
import {
  type AuthRequest,
  contextOf,
  echoId,
  errorFrame,
  parseRequest,
  type Request,
  type RequestContext,
} from "./protocol.ts";
import { RateLimit } from "./rate.ts";
import { Subscriptions, type SubscriptionsOptions } from "./subscriptions.ts";
import { type Upstream, type UpstreamHost, upstreamOf } from "./upstream.ts";

/** A WebSocket, as far as a peer needs one. */
export interface PeerSocket extends FrameSink {
  ping(): void;
  /** Stops reading, so that a client waits in its own buffers and not in ours; until as many `resume`. */
  pause(): void;
  resume(): void;
  /** Starts the close handshake. */
  close(code: number, reason: string): void;
  /** Cuts the socket. */
  terminate(): void;
}

/** What all peers share. */
export interface PeerHost extends CurrentKeys, UpstreamHost {
  readonly hub: Hub;
  readonly fleet: FleetClient;
  readonly pressure: Pressure;
  readonly connection: (name: string) => ServedConnection | undefined;
  readonly connectionNames: () => readonly string[];
  /** Once authenticated a peer no longer counts as a pending handshake. */
  readonly onAuthenticated: (peer: Peer) => void;
}

/**
 * - `authenticating`: waits `authMs` for an `auth` frame; everything else is refused.
 * - `open`:           serves requests.
 * - `closing`:        the close frame is out; nothing is read or sent any more.
 * - `closed`
 */
export type PeerState = "authenticating" | "open" | "closing" | "closed";

/** Frames over the rate that are answered; the next one closes. */
const FORGIVEN_OVER_RATE = 100;

/** One WebSocket: reads requests, answers them, tells changes. Never throws. */
export class Peer implements AuthenticationOwner {
  readonly caller: Caller;
  readonly #host: PeerHost;
  readonly #socket: PeerSocket;
  readonly #outbox: Outbox;
  readonly #subscriptions: Subscriptions;
  readonly #listings: Listings;
  readonly #rate: RateLimit;
  readonly #authentication: Authentication;
  readonly #upstream: Upstream | undefined;
  readonly #gone = new AbortController();
  readonly #openedAt: number;
  #state: PeerState = "authenticating";
  #overRate = 0;
  readonly #heartbeat: Heartbeat;
  /** Frames that arrived while a token is being checked wait for it, in order. */
  #verifying: Promise<void> | undefined;
  #cancelCut: (() => void) | undefined;

  /** `admitted` by the handshake, where it had a token or none is needed. */
  constructor(host: PeerHost, socket: PeerSocket, admitted: Admitted | undefined, caller: Caller) {
    const { clock, limits, times } = host;
    this.#host = host;
    this.#socket = socket;
    this.caller = caller;
    this.#openedAt = clock.monotonic();
    // Each subscription being armed listens; their number has its own limit.
    setMaxListeners(0, this.#gone.signal);
    this.#outbox = new Outbox({
      sink: socket,
      clock,
      limits,
      times,
      pressure: host.pressure,
      onHopeless: () => this.close(CLOSE.tryLater, "too slow"),
    });
    const shared: SubscriptionsOptions = {
      hub: host.hub,
      fleet: host.fleet,
      clock,
      limits,
      times,
      connection: host.connection,
      rights: () => this.#authentication.rights,
      outbox: this.#outbox,
      signal: this.#gone.signal,
    };
    this.#authentication = new Authentication(host, this);
    this.#subscriptions = new Subscriptions(shared);
    this.#listings = new Listings(shared);
    this.#rate = new RateLimit({ perSecond: limits.messagesPerSecond, burst: limits.messageBurst, clock });
    this.#upstream = upstreamOf(host, {
      caller,
      outbox: this.#outbox,
      sink: socket,
      onLost: () => this.close(CLOSE.goingAway, "the application's socket is lost"),
    });
    socketFacts.publish({ type: "opened" });
    this.#heartbeat = new Heartbeat(socket, { clock, everyMs: times.pingMs, random: host.random });
    this.#authentication.begin(admitted);
  }

  get state(): PeerState {
    return this.#state;
  }

  /** Nobody is let in any more. */
  get over(): boolean {
    return this.#state === "closing" || this.#state === "closed";
  }

  get subscriptions(): number {
    return this.#subscriptions.size;
  }

  /** As operators see it. */
  info(): ClientInfo {
    return clientInfo(this.caller, this.#authentication.identity, {
      connections: this.#subscriptions.connections,
      subscriptions: this.subscriptions,
      unsentBytes: this.#socket.bufferedAmount,
    });
  }

  /** A whole message. */
  onMessage(data: string | undefined): void {
    this.#heartbeat.heard();
    if (this.over) return;
    if (data === undefined) {
      this.#answerError(new RequestError("bad_message", "binary messages are not understood"), {});
      return;
    }
    const parsed = parseRequest(data);
    if (!this.#rate.take()) {
      this.#onFlood(parsed.ok ? contextOf(parsed.request) : parsed.context);
      return;
    }
    if (!parsed.ok) {
      this.#answerError(new RequestError("bad_message", parsed.message), parsed.context);
      requestFacts.publish({ action: "unknown", outcome: "bad_message" });
      return;
    }
    const { request } = parsed;
    if (this.#verifying !== undefined) {
      void this.#verifying.then(() => this.#dispatch(request));
    } else this.#dispatch(request);
  }

  onPong(): void {
    this.#heartbeat.heard();
  }

  /** The socket is gone, by whoever. */
  onClosed(code: number): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#release();
    this.#cancelCut?.();
    socketFacts.publish({ type: "closed", code, ms: this.#host.clock.monotonic() - this.#openedAt });
  }

  /** Ends the conversation; a client that does not answer the close frame is cut. */
  close(code: number, reason: string): void {
    if (this.over) return;
    this.#state = "closing";
    this.#release();
    this.#socket.close(code, reason);
    this.#cancelCut = this.#host.clock.after(this.#host.times.closeMs, () => this.#socket.terminate());
  }

  /** Keys, tokens or connections changed: whoever lost a right is told. */
  async recheck(): Promise<void> {
    if (this.#state !== "open") return;
    await this.#authentication.recheck();
    if (this.#state === "open") this.#subscriptions.recheck();
  }

  /** The connection is served differently from now on. */
  dropConnection(name: string): void {
    this.#subscriptions.drop(name);
  }

  #dispatch(request: Request): void {
    if (this.over) return;
    const context = contextOf(request);
    try {
      if (request.action === "auth") {
        void this.#auth(request);
        return;
      }
      if (this.#state === "authenticating") {
        this.#answerError(new RequestError("unauthenticated"), context);
        requestFacts.publish({ action: request.action, outcome: "unauthenticated" });
        return;
      }
      this.#serve(request);
    } catch (error) {
      const answer = toRequestError(error);
      this.#answerError(answer, context);
      requestFacts.publish({ action: request.action, outcome: answer.answer });
    }
  }

  #serve(request: Exclude<Request, AuthRequest>): void {
    this.#upstream?.relay(request);
    if (request.action === "subscribe") this.#subscriptions.subscribe(request);
    else if (request.action === "unsubscribe") this.#subscriptions.unsubscribe(request);
    else if (request.action === "list") this.#listings.start(request);
    else if (request.action === "ping") this.#outbox.send({ type: "pong", ...echoId(request.id) });
    else if (this.#authentication.identity !== undefined) {
      const { fleet, connectionNames } = this.#host;
      const about = aboutFrame(request.action, this.#authentication.identity, this.caller, {
        fleet,
        connectionNames,
      });
      this.#outbox.send({ ...about, ...echoId(request.id) });
    }
    // A subscribe and a listing are not done yet, and say so themselves.
    if (request.action !== "subscribe" && request.action !== "list") {
      requestFacts.publish({ action: request.action, outcome: "ok" });
    }
  }

  async #auth({ token, id }: AuthRequest): Promise<void> {
    const checking = this.#authentication.verify({ token });
    this.#verifying = checking;
    this.#socket.pause();
    await checking;
    this.#socket.resume();
    if (this.#verifying === checking) this.#verifying = undefined;
    if (this.#state !== "open") return;
    this.#subscriptions.recheck();
    requestFacts.publish({ action: "auth", outcome: "ok" });
    if (id === undefined) return;
    const expiresAt = this.#authentication.identity?.expiresAt;
    this.#outbox.send({
      type: "authenticated",
      ...(expiresAt === undefined ? {} : { expires: new Date(expiresAt).toISOString() }),
      id,
    });
  }

  admit(admitted: Admitted): void {
    this.#upstream?.open(admitted);
    if (this.#state !== "authenticating") return;
    this.#state = "open";
    this.#host.onAuthenticated(this);
  }

  refuse(reason: TokenFault, message: string): void {
    if (this.over) return;
    authFailureFacts.publish({ reason });
    const expired = reason === "expired";
    if (reason === "unavailable") {
      this.#answerError(new RequestError("internal", message), {});
      this.close(CLOSE.tryLater, message);
      return;
    }
    const code = expired ? "expired" : "unauthenticated";
    this.#answerError(new RequestError(code, message), {});
    this.close(expired ? CLOSE.expired : CLOSE.refused, code);
  }

  #onFlood(context: RequestContext): void {
    this.#overRate++;
    if (this.#overRate > FORGIVEN_OVER_RATE) {
      this.close(CLOSE.flood, "too many messages");
      return;
    }
    this.#answerError(new RequestError("limit", "too many messages"), context);
  }

  #answerError(error: RequestError, context: RequestContext): void {
    this.#outbox.send(errorFrame(error, context));
  }

  #release(): void {
    this.#gone.abort();
    this.#authentication.end();
    this.#heartbeat.stop();
    this.#subscriptions.close();
    this.#upstream?.close();
    this.#outbox.close();
  }
}
