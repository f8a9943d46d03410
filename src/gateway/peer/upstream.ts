import { WebSocket } from "ws";
import { Backoff } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import type { Admitted } from "../auth/index.ts";
import { upstreamFacts } from "../facts.ts";
import type { GatewayLimits, GatewayTimes, UpstreamOptions } from "../options.ts";
import type { Caller } from "./caller.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { FrameSink, Outbox } from "./outbox.ts";
import type { Request, ServerFrame } from "./protocol.ts";
import { RateLimit } from "./rate.ts";

/** What we say ourselves: the application's word on it would be a second opinion. */
const OURS: Readonly<Record<ServerFrame["type"], true>> = {
  subscribed: true,
  unsubscribed: true,
  pong: true,
  directory_changed: true,
  snapshot: true,
  state: true,
  error: true,
  listing: true,
  connections: true,
  workers: true,
  whoami: true,
  authenticated: true,
};

/** Largest frame read; a larger one ends the socket it came by. Sambee's have some 200 bytes. */
const FRAME_BYTES = 65_536;
/** Frames read, sustained and at once; whoever sends more is read more slowly. */
const FRAMES_PER_SECOND = 200;
const FRAME_BURST = 400;
/** How soon a client that is behind is looked at again. */
const EASE_MS = 50;
/** A socket that has brought nothing yet, and ends before this, was never open: an application in trouble takes many in and drops them. */
const SETTLED_MS = 5_000;
/** Of all subscriptions that are passed on, characters. */
const WANTED_CHARACTERS = 262_144;

export interface UpstreamHost {
  readonly clock: Clock;
  readonly limits: GatewayLimits;
  readonly times: GatewayTimes;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Absent: there is no other application. */
  readonly upstream?: UpstreamOptions | undefined;
}

interface UpstreamPeer {
  readonly caller: Caller;
  readonly outbox: Outbox;
  readonly sink: FrameSink;
  /** Frames may be missing from now on. Called once. */
  readonly onLost: () => void;
}

export function upstreamOf(host: UpstreamHost, peer: UpstreamPeer): Upstream | undefined {
  return host.upstream === undefined ? undefined : new Upstream(host, host.upstream, peer);
}

/**
 * The other application's socket behind one of ours: its frames go to the client as they are, unless their type is ours.
 * Subscriptions are told to it in Sambee's words, and again to each new socket. One that was open and ends is a loss, told by
 * `onLost`; one that was not is tried again, quietly. Never throws.
 */
export class Upstream {
  readonly #host: UpstreamHost;
  readonly #options: UpstreamOptions;
  readonly #peer: UpstreamPeer;
  readonly #backoff: Backoff;
  readonly #rate: RateLimit;
  /** Frames that subscribe, by connection and path. */
  readonly #wanted = new Map<string, string>();
  #characters = 0;
  #token: { readonly text: string; readonly inUrl: boolean } | undefined;
  #socket: WebSocket | undefined;
  #heartbeat: Heartbeat | undefined;
  /** Frames read beyond the rate. */
  #over = 0;
  #cancelEase: (() => void) | undefined;
  #cancelRetry: (() => void) | undefined;
  #state: "idle" | "trying" | "closed" = "idle";

  constructor(host: UpstreamHost, options: UpstreamOptions, peer: UpstreamPeer) {
    this.#host = host;
    this.#options = options;
    this.#peer = peer;
    this.#backoff = new Backoff({ random: host.random });
    const { clock } = host;
    this.#rate = new RateLimit({ perSecond: FRAMES_PER_SECOND, burst: FRAME_BURST, clock });
  }

  /** The client is let in. Later again, perhaps with another token: the next socket has it. */
  open({ presented, credential }: Admitted): void {
    const text = presented?.token ?? (credential && "token" in credential ? credential.token : undefined);
    if (text !== undefined && text !== this.#token?.text) {
      this.#token = { text, inUrl: presented?.inUrl ?? false };
    }
    if (this.#state !== "idle") return;
    this.#state = "trying";
    this.#connect();
  }

  /** The application sends only to those subscribed on its own side. */
  relay(request: Request): void {
    if (request.action !== "subscribe" && request.action !== "unsubscribe") return;
    const { action, connection_id, path } = request;
    const key = JSON.stringify([connection_id, path]);
    const text = JSON.stringify({ action, connection_id, path });
    const known = this.#wanted.get(key);
    if (action === "subscribe") {
      const full = this.#wanted.size >= this.#host.limits.subscriptionsPerSocket;
      if (known === undefined && (full || this.#characters + text.length > WANTED_CHARACTERS)) return;
      if (known === undefined) this.#characters += text.length;
      this.#wanted.set(key, text);
    } else {
      if (known === undefined) return;
      this.#characters -= known.length;
      this.#wanted.delete(key);
    }
    this.#send(text);
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#cancelRetry?.();
    this.#rest();
    const socket = this.#socket;
    if (socket === undefined) return;
    if (socket.readyState === socket.CONNECTING) {
      socket.terminate();
      return;
    }
    socket.resume();
    socket.close(1000);
    const { clock, times } = this.#host;
    const cancelCut = clock.after(times.closeMs, () => socket.terminate());
    socket.once("close", cancelCut);
  }

  #connect(): void {
    const { clock, random, times } = this.#host;
    const socket = this.#dial();
    if (socket === undefined) {
      this.#retry(0);
      return;
    }
    this.#socket = socket;
    let openedAt: number | undefined;
    let brought = false;
    socket.on("open", () => {
      openedAt = clock.monotonic();
      upstreamFacts.publish({ outcome: "open" });
      const pinged = {
        ping: () => socket.ping(undefined, undefined, () => undefined),
        terminate: () => socket.terminate(),
      };
      this.#heartbeat = new Heartbeat(pinged, { clock, everyMs: times.pingMs, random });
      for (const text of this.#wanted.values()) this.#send(text);
    });
    socket.on("message", (data, isBinary) => {
      this.#heartbeat?.heard();
      if (this.#state === "closed") return;
      if (!isBinary && this.#pass(String(data))) brought = true;
      this.#pace(socket);
    });
    socket.on("pong", () => this.#heartbeat?.heard());
    // What went wrong is in the close that follows.
    socket.on("error", () => undefined);
    socket.on("close", (code) => {
      this.#socket = undefined;
      this.#rest();
      if (this.#state === "closed") return;
      const settled = openedAt !== undefined && clock.monotonic() - openedAt >= SETTLED_MS;
      if (brought || settled) {
        upstreamFacts.publish({ outcome: "lost", code });
        this.#peer.onLost();
      } else this.#retry(code);
    });
  }

  /** `undefined` where the token cannot be sent at all. */
  #dial(): WebSocket | undefined {
    const { ca, timeoutMs, url } = this.#options;
    const { address, origin } = this.#peer.caller;
    const target = new URL(url);
    const headers: Record<string, string> = { "x-forwarded-for": address };
    if (this.#token?.inUrl === true) target.searchParams.set("token", this.#token.text);
    else if (this.#token !== undefined) headers["authorization"] = `Bearer ${this.#token.text}`;
    try {
      return new WebSocket(target, {
        headers,
        handshakeTimeout: timeoutMs,
        maxPayload: FRAME_BYTES,
        perMessageDeflate: false,
        ...(origin === undefined ? {} : { origin }),
        ...(ca === undefined ? {} : { ca }),
      });
    } catch {
      return undefined;
    }
  }

  #retry(code: number): void {
    upstreamFacts.publish({ outcome: "failed", code });
    this.#cancelRetry = this.#host.clock.after(this.#backoff.next(), () => this.#connect(), { unref: true });
  }

  #send(text: string): void {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    // It does not read: as good as gone.
    if (socket.bufferedAmount > this.#host.limits.bufferBytes) socket.terminate();
    else socket.send(text, () => undefined);
  }

  /** Whether it was one for the client. */
  #pass(text: string): boolean {
    const type = typeOf(text);
    const { types } = this.#options;
    if (type === undefined || Object.hasOwn(OURS, type)) return false;
    if (types.length > 0 && !types.includes(type)) return false;
    this.#peer.outbox.relay(text);
    return true;
  }

  /** A flood, or a client that is behind, makes the application wait in its own buffers and not in ours. */
  #pace(socket: WebSocket): void {
    if (!this.#rate.take()) this.#over++;
    // What had been read when the socket was paused still comes.
    if (this.#cancelEase !== undefined || (this.#over === 0 && !this.#isBehind())) return;
    socket.pause();
    this.#ease(socket);
  }

  #ease(socket: WebSocket): void {
    const owed = (this.#over * 1_000) / FRAMES_PER_SECOND;
    this.#over = 0;
    this.#cancelEase = this.#host.clock.after(Math.max(EASE_MS, owed), () => {
      // Whom we do not read we cannot hear.
      this.#heartbeat?.heard();
      if (this.#over > 0 || this.#isBehind()) {
        this.#ease(socket);
        return;
      }
      this.#cancelEase = undefined;
      socket.resume();
    });
  }

  #isBehind(): boolean {
    return this.#peer.sink.bufferedAmount > this.#host.limits.softBufferBytes;
  }

  #rest(): void {
    this.#heartbeat?.stop();
    this.#heartbeat = undefined;
    this.#cancelEase?.();
    this.#cancelEase = undefined;
    this.#over = 0;
  }
}

/** `undefined` for what is no frame. */
function typeOf(text: string): string | undefined {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof frame !== "object" || frame === null || !("type" in frame)) return undefined;
  return typeof frame.type === "string" ? frame.type : undefined;
}
