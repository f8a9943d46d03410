import { type Channel, channel } from "../base/channels.ts";

/** What the broker floor tells about itself. The service turns these into log lines and metrics. */

export type ConnectionFact =
  | { readonly type: "connected"; readonly server: string; readonly version: string; readonly again: boolean }
  | { readonly type: "disconnected"; readonly server: string }
  | { readonly type: "error"; readonly code: string; readonly message: string }
  /** More than one stream stores what this fleet publishes: every event is told more than once. */
  | { readonly type: "clash"; readonly streams: readonly string[] }
  | { readonly type: "closed"; readonly message?: string };

export type PublishFact =
  /** `seconds` from handing the first change in to the stored acknowledgement. */
  | {
      readonly type: "stored";
      readonly connection: string;
      readonly kind: "changes" | "resync" | "state";
      readonly changes: number;
      readonly attempts: number;
      readonly seconds: number;
      readonly duplicate: boolean;
    }
  /** One attempt failed; the message is kept and tried again. */
  | {
      readonly type: "failed";
      readonly connection: string;
      readonly code: string;
      readonly attempts: number;
    };

export type OutboxFact =
  /** Queued messages of one watch were dropped; a resync covers them. */
  | {
      readonly type: "overflow";
      readonly connection: string;
      readonly path: string;
      readonly dropped: number;
      readonly bytes: number;
    }
  | { readonly type: "too-large"; readonly connection: string; readonly path: string }
  /** `mayPublish` said no; `held` false when it allows again. */
  | { readonly type: "fence"; readonly held: boolean };

export type FeedFact =
  | {
      readonly type: "caught-up";
      readonly connection: string;
      readonly cause: FeedDoubt;
      readonly replayed: number;
      readonly seconds: number;
    }
  | { readonly type: "gap"; readonly connection: string; readonly reason: "slow-consumer" | "retention" }
  | {
      readonly type: "unreadable";
      readonly connection: string;
      readonly subject: string;
      readonly message: string;
    }
  | { readonly type: "failed"; readonly connection: string; readonly code: string; readonly message: string };

/** Why the stream was read again. */
export type FeedDoubt = "start" | "reconnect" | "hole" | "overflow" | "audit";

export type MirrorFact =
  | {
      readonly type: "synced";
      readonly bucket: string;
      readonly generation: number;
      readonly keys: number;
      readonly swept: number;
      readonly seconds: number;
      readonly cause: string;
    }
  | { readonly type: "failed"; readonly bucket: string; readonly code: string; readonly message: string };

export const connectionFacts: Channel<ConnectionFact> = channel("broker.connection");
export const publishFacts: Channel<PublishFact> = channel("broker.publish");
export const outboxFacts: Channel<OutboxFact> = channel("broker.outbox");
export const feedFacts: Channel<FeedFact> = channel("broker.feed");
export const mirrorFacts: Channel<MirrorFact> = channel("broker.mirror");
