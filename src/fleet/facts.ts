import { type Channel, channel } from "../base/channels.ts";
import type { LeaseKind } from "./records.ts";

/** What the fleet floor tells about itself. The service turns these into log lines and metrics. */

export type LeaseFact =
  | { readonly type: "acquired"; readonly kind: LeaseKind; readonly lease: string }
  | { readonly type: "renewed"; readonly kind: LeaseKind; readonly lease: string; readonly seconds: number }
  /** A failed renewal is tried again; a failed release leaves the lease to be judged dead. */
  | {
      readonly type: "renewal-failed" | "release-failed";
      readonly kind: LeaseKind;
      readonly lease: string;
      readonly code: string;
    }
  /** The bucket no longer has it: someone revoked it. A new one follows. */
  | { readonly type: "lost"; readonly kind: LeaseKind; readonly lease: string }
  | { readonly type: "released"; readonly kind: LeaseKind; readonly lease: string }
  /** We found a peer silent for too long and deleted its lease. */
  | { readonly type: "revoked"; readonly lease: string };

/** `refs`: how many this holder has stored now. */
export type RefFact =
  | { readonly type: "written"; readonly connection: string; readonly refs: number }
  | { readonly type: "removed"; readonly refs: number }
  /** One attempt; it is tried again. */
  | { readonly type: "failed"; readonly code: string };

export type SweepFact = { readonly type: "swept"; readonly refs: number; readonly claims: number };

/** An entry of the bucket that nobody can read; it is ignored. */
export type RecordFact = { readonly type: "unreadable"; readonly key: string; readonly message: string };

export type ControlFact =
  | {
      readonly type: "request";
      readonly endpoint: string;
      readonly seconds: number;
      /** `ok`, or the contract's error code. */
      readonly outcome: string;
    }
  /** An answer was over the server's limit, bytes; `limit` was answered in its place. */
  | { readonly type: "too-large"; readonly endpoint: string; readonly limit: number };

export const leaseFacts: Channel<LeaseFact> = channel("fleet.lease");
export const refFacts: Channel<RefFact> = channel("fleet.ref");
export const sweepFacts: Channel<SweepFact> = channel("fleet.sweep");
export const recordFacts: Channel<RecordFact> = channel("fleet.record");
export const controlFacts: Channel<ControlFact> = channel("fleet.control");
