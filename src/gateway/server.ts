import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { type Clock, systemClock } from "../base/clock.ts";
import type { FleetClient } from "../fleet/port.ts";
import {
  AddressBook,
  Admissions,
  type Admitted,
  identify,
  KeysInForce,
  SUBPROTOCOL,
  withoutQuery,
} from "./auth/index.ts";
import type { ClientDesk, ClientInfo } from "./clients.ts";
import { TokenError } from "./errors.ts";
import { authFailureFacts, refusalFacts, unreadableHopFacts } from "./facts.ts";
import { Assets, explain, newHttpServer, reject } from "./http/index.ts";
import { Hub } from "./hub/index.ts";
import {
  type AuthOptions,
  type GatewayLimits,
  type GatewayOptions,
  type GatewayTimes,
  resolveLimits,
  resolveTimes,
  type ServedConnection,
} from "./options.ts";
import {
  type Caller,
  callerOf,
  Intake,
  Peer,
  type PeerHost,
  type PeerSocket,
  Peers,
  Pressure,
  type Seat,
  WsSocket,
} from "./peer/index.ts";

export interface GatewayStats {
  /** WebSockets, those still authenticating included. */
  readonly connections: number;
  /** Handshakes and sockets whose token is not checked yet. */
  readonly pending: number;
  readonly subscriptions: number;
  /** Directories with a ref. */
  readonly watches: number;
}

export interface Gateway extends ClientDesk {
  /** Resolves once connections are accepted. */
  listen(): Promise<{ readonly host: string; readonly port: number; readonly url: string }>;
  /** Lets nobody in any more, sends clients away spread over `drainMs`, then stops. Idempotent. */
  close(): Promise<void>;
  readonly stats: GatewayStats;
  /** Whether tokens can be checked. */
  readonly ready: boolean;
  /** New keys, tokens or grants: every socket's token is checked again, and lost rights end in `error denied`. */
  updateAuth(auth: AuthOptions): Promise<void>;
  /** New connections: subscriptions of those that went away, or are compared differently now, end. */
  updateConnections(connections: readonly ServedConnection[]): Promise<void>;
  /** Somebody's rights have changed where they come from: all that is known is checked anew. At most once a second. */
  recheckAuth(): void;
}

/** What the gateway stands on. */
export interface GatewayPorts {
  readonly fleet: FleetClient;
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

/** @throws GatewayOptionsError for options that contradict themselves or would open the gateway to everyone. */
export function createGateway(options: GatewayOptions, ports: GatewayPorts): Gateway {
  return new GatewayServer(options, ports);
}

/** Sockets beyond the WebSockets themselves, for pages and refusals. */
const SPARE_SOCKETS = 256;
/** Of a hop that cannot be read, for a log line. */
const LONGEST_HOP = 100;

class GatewayServer implements Gateway {
  readonly #host: string;
  readonly #port: number;
  readonly #limits: GatewayLimits;
  readonly #times: GatewayTimes;
  readonly #clock: Clock;
  readonly #hub: Hub;
  readonly #addresses: AddressBook;
  readonly #admissions: Admissions;
  readonly #peers: Peers;
  readonly #http: Server;
  readonly #ws: WebSocketServer;
  readonly #peerHost: PeerHost;
  readonly #intake: Intake;
  #connections: ReadonlyMap<string, ServedConnection>;
  readonly #keys: KeysInForce;
  #assets: Assets | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: GatewayOptions, { fleet, clock = systemClock, random = Math.random }: GatewayPorts) {
    this.#host = options.host ?? "127.0.0.1";
    this.#port = options.port ?? 0;
    this.#limits = resolveLimits(options.limits);
    this.#times = resolveTimes(options.times);
    this.#clock = clock;
    this.#peers = new Peers(clock, this.#times);
    this.#connections = byName(options.connections);
    const { allowedOrigins = [], trustedProxies = [] } = options;
    const surroundings = { host: this.#host, allowedOrigins, trustedProxies };
    this.#keys = new KeysInForce(options.auth, surroundings, clock, () => void this.#recheck());
    this.#hub = new Hub({
      fleet,
      clock,
      caseSensitive: (name) => this.#connections.get(name)?.caseSensitive ?? false,
      mirroredEntries: this.#limits.mirroredEntries,
    });
    this.#intake = new Intake(clock);
    this.#addresses = new AddressBook(trustedProxies);
    this.#admissions = new Admissions({
      limits: this.#limits,
      addresses: this.#addresses,
      allowedOrigins,
      loopbackHostOnly: this.#keys.localOnly,
    });
    this.#peerHost = {
      hub: this.#hub,
      pressure: new Pressure(clock),
      fleet,
      clock,
      limits: this.#limits,
      times: this.#times,
      random,
      upstream: options.upstream,
      verifier: this.#keys.verifier,
      connection: (name) => this.#connections.get(name),
      connectionNames: () => [...this.#connections.keys()].sort(),
      generation: this.#keys.generation,
      onAuthenticated: (peer) => this.#peers.authenticated(peer),
    };
    this.#ws = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: this.#limits.messageBytes,
      // A compressor costs each socket more memory than all its subscriptions, and opens CRIME-like doors.
      perMessageDeflate: false,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    });
    this.#http = newHttpServer({
      headersMs: this.#times.headersMs,
      sockets: this.#limits.connections + this.#limits.pendingHandshakes + SPARE_SOCKETS,
      onRequest: (request, response) =>
        this.#assets?.serve(request, response, () =>
          explain(request, this.#admissions, this.#addresses, this.#keys.verifier()),
        ),
      onUpgrade: (request, socket, head) => {
        endOnError(socket);
        this.#intake.take(() => void this.#onUpgrade(request, socket, head));
      },
    });
  }

  get ready(): boolean {
    return this.#keys.verifier().ready;
  }

  get stats(): GatewayStats {
    return {
      connections: this.#admissions.total,
      pending: this.#admissions.pending,
      subscriptions: this.#peers.subscriptions,
      watches: this.#hub.watches,
    };
  }

  clients(): readonly ClientInfo[] {
    return this.#peers.info();
  }

  closeClient(client: string, how: { reason: string; comesBack: boolean }): boolean {
    return this.#peers.close(client, how);
  }

  async listen(): Promise<{ readonly host: string; readonly port: number; readonly url: string }> {
    this.#assets = await Assets.load();
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen({ host: this.#host, port: this.#port, backlog: 1_024 }, () => {
        this.#http.removeListener("error", reject);
        resolve();
      });
    });
    // Running out of file descriptors while accepting is not a reason to end.
    this.#http.on("error", () => undefined);
    const { port } = this.#http.address() as AddressInfo;
    const name = this.#host.includes(":") ? `[${this.#host}]` : this.#host;
    return { host: this.#host, port, url: `http://${name}:${port}/` };
  }

  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  async updateAuth(auth: AuthOptions): Promise<void> {
    this.#keys.replace(auth);
    await this.#recheck();
  }

  async updateConnections(connections: readonly ServedConnection[]): Promise<void> {
    const old = this.#connections;
    this.#connections = byName(connections);
    for (const { name, caseSensitive } of connections) {
      if ((old.get(name)?.caseSensitive ?? caseSensitive) === caseSensitive) continue;
      // Its watches are kept under keys that mean something else now.
      this.#peers.dropConnection(name);
    }
    await this.#recheck();
  }

  recheckAuth(): void {
    this.#keys.forgetSoon();
  }

  /** Never rejects. */
  async #recheck(): Promise<void> {
    this.#keys.changed();
    await this.#peers.recheck();
  }

  /** Never rejects. */
  async #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    if (socket.destroyed) return;
    const admission = this.#admissions.decide({
      method: request.method ?? "",
      url: request.url ?? "",
      headers: request.headers,
      remoteAddress: request.socket.remoteAddress,
    });
    // From here on nothing that prints the request can print a token.
    request.url = withoutQuery(request.url ?? "");
    if (!admission.ok) {
      refusalFacts.publish(admission.fact);
      return reject(socket, admission.status, admission.fact.reason);
    }
    const { unreadable } = admission;
    if (unreadable !== undefined) unreadableHopFacts.publish({ hop: unreadable.slice(0, LONGEST_HOP) });
    const seat = this.#admissions.enter(admission.address);
    socket.once("close", seat.leave);
    let admitted: Admitted | undefined;
    try {
      const fromProxy = this.#addresses.isTrusted(request.socket.remoteAddress);
      admitted = await identify(this.#peerHost, { ...admission, request, fromProxy });
    } catch (error) {
      const reason = error instanceof TokenError ? error.reason : "unavailable";
      authFailureFacts.publish({ reason });
      const why = error instanceof TokenError ? error.message : undefined;
      return reject(socket, reason === "unavailable" ? 503 : 401, undefined, why);
    }
    if (socket.destroyed) return;
    if (this.#closing !== undefined) return reject(socket, 503);
    const caller = callerOf(admission.client, request.headers, this.#clock.now());
    this.#ws.handleUpgrade(request, socket, head, (webSocket) =>
      this.#onSocket(new WsSocket(webSocket, socket), webSocket, { admitted, seat, caller }),
    );
  }

  #onSocket(
    socket: PeerSocket,
    webSocket: WebSocket,
    {
      admitted,
      caller,
      seat,
    }: {
      readonly admitted: Admitted | undefined;
      readonly caller: Caller;
      readonly seat: Seat;
    },
  ): void {
    const peer = new Peer(this.#peerHost, socket, admitted, caller);
    this.#peers.add(peer, seat);
    const unread = this.#intake.join(socket);
    webSocket.on("message", (data, isBinary) =>
      this.#intake.take(() => peer.onMessage(isBinary ? undefined : String(data))),
    );
    webSocket.on("pong", () => peer.onPong());
    // Protocol violations (oversized, not UTF-8, bad frames): ws closes with the right code by itself.
    webSocket.on("error", () => undefined);
    webSocket.on("close", (code) => {
      unread();
      peer.onClosed(code);
      this.#peers.remove(peer);
    });
  }

  async #drain(): Promise<void> {
    this.#admissions.drain();
    const stopped = new Promise<void>((resolve) => {
      if (this.#http.listening) this.#http.close(() => resolve());
      else resolve();
    });
    this.#http.closeIdleConnections();
    await this.#peers.drain();
    this.#keys.close();
    this.#hub.close();
    this.#http.closeAllConnections();
    await stopped;
  }
}

/** By itself: a listener among others lives as long as the socket, and keeps all that any of them has in hand. */
function endOnError(socket: Duplex): void {
  socket.on("error", () => socket.destroy());
}

function byName(connections: readonly ServedConnection[]): ReadonlyMap<string, ServedConnection> {
  return new Map(connections.map((connection) => [connection.name, connection]));
}
