import { type Channel, channel } from "../base/channels.ts";
import type { MirrorReason } from "../watch/mirror/index.ts";
import type { ErrorCode } from "./errors.ts";

/**
 * What the gateway tells whoever listens. No path or token is ever part of a fact; one names a user, and one the address
 * of whoever was turned away.
 */

export type SocketFact =
  | { readonly type: "opened" }
  /** `code` as the close handshake had it; 1006 when there was none. */
  | { readonly type: "closed"; readonly code: number; readonly ms: number };

/** A handshake that was not let in. */
export interface RefusalFact {
  readonly reason:
    | "path"
    | "method"
    | "origin"
    | "host"
    | "draining"
    | "connections"
    | "address"
    | "pending"
    | "handshake"
    /** Something in between has taken the upgrade out of it: it came as a plain request. */
    | "no-upgrade";
  /** As the client and its proxies claimed, cut to 200 characters: not to be believed, and to be escaped. */
  readonly origin?: string;
  readonly host?: string;
  readonly forwardedHost?: string;
  /** Whom the limits would have counted it for. */
  readonly address?: string;
}

/** A trusted proxy wrote something else than an address where the client's should be. */
export interface UnreadableHopFact {
  /** Empty where it wrote nothing at all. */
  readonly hop: string;
}

/** A token that was not believed, a first frame that never came, or a session that ran out. */
export interface AuthFailureFact {
  readonly reason: "missing" | "invalid" | "expired" | "unavailable";
}

/** The application was asked about a token. */
export interface AskFact {
  /** `failed`: it did not answer, or not in the form configured. */
  readonly outcome: "ok" | "refused" | "failed";
  readonly code?: string;
}

/** A socket to the other application whose frames are relayed. */
export interface UpstreamFact {
  /** `failed`: it was never open, and is tried again. `lost`: it was, and its client is sent away to come back. */
  readonly outcome: "open" | "failed" | "lost";
  /** As the close handshake had it; 1006 when there was none, 0 where the token cannot be sent. */
  readonly code?: number;
}

/** Somebody was let in who may see nothing at all: mostly an issuer that does not know what to put into its tokens. */
export interface NoGrantsFact {
  /** As the issuer names whom the token is about. */
  readonly subject: string | undefined;
  /** What was missing. */
  readonly reason: string;
}

export interface SubscriptionFact {
  readonly connection: string;
  /** Difference to the number of subscriptions. */
  readonly change: 1 | -1;
}

/** One frame handed to a socket. */
export interface SentFact {
  readonly connection: string;
  readonly type: "changes" | "resync" | "state";
  /** From the worker's time stamp to the socket; absent where the frame was held back by coalescing. */
  readonly seconds?: number;
}

/** Messages that were merged into a frame still waiting, instead of being sent by themselves. */
export interface CoalescedFact {
  readonly connection: string;
}

/** Mirrors of directories that the gateway keeps for those who want snapshots. */
export type MirrorFact =
  /** From a worker. */
  | { readonly type: "taken"; readonly connection: string; readonly reason: MirrorReason }
  | { readonly type: "failed"; readonly connection: string; readonly reason: ErrorCode }
  /** Difference to the number of entries kept. */
  | { readonly type: "size"; readonly connection: string; readonly change: number };

/** What a subscriber who wants snapshots was given. */
export interface SnapshotFact {
  readonly connection: string;
  readonly reason: MirrorReason;
  /** `dropped`: he went, or was given another instead. `resumed`: he needed none, and was told what he had missed. */
  readonly outcome: "sent" | "dropped" | "resumed";
}

export interface RequestFact {
  readonly action:
    | "subscribe"
    | "unsubscribe"
    | "ping"
    | "auth"
    | "list"
    | "connections"
    | "workers"
    | "whoami"
    | "unknown";
  /** `ok`, or the code of the error answered. */
  readonly outcome: string;
}

export const socketFacts: Channel<SocketFact> = channel("gateway.socket");
export const refusalFacts: Channel<RefusalFact> = channel("gateway.refusal");
export const unreadableHopFacts: Channel<UnreadableHopFact> = channel("gateway.unreadable-hop");
export const authFailureFacts: Channel<AuthFailureFact> = channel("gateway.auth-failure");
export const askFacts: Channel<AskFact> = channel("gateway.ask");
export const upstreamFacts: Channel<UpstreamFact> = channel("gateway.upstream");
export const noGrantsFacts: Channel<NoGrantsFact> = channel("gateway.no-grants");
export const subscriptionFacts: Channel<SubscriptionFact> = channel("gateway.subscription");
export const sentFacts: Channel<SentFact> = channel("gateway.sent");
export const coalescedFacts: Channel<CoalescedFact> = channel("gateway.coalesced");
export const mirrorFacts: Channel<MirrorFact> = channel("gateway.mirror");
export const snapshotFacts: Channel<SnapshotFact> = channel("gateway.snapshot");
export const requestFacts: Channel<RequestFact> = channel("gateway.request");
