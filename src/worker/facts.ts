import { type Channel, channel } from "../base/channels.ts";
import type { ClaimState } from "../fleet/records.ts";
import type { WatchMode } from "../watch/events.ts";

/** What the worker tells about itself. The service turns these into log lines and metrics. */

export type ClaimFact =
  /** `takeover`: of a dead owner's claim; `handover`: a living owner gave it to us. */
  | {
      readonly type: "claimed";
      readonly connection: string;
      readonly path: string;
      readonly how: "new" | "takeover" | "handover";
    }
  /** To another worker, or because nobody asks for it any more. `clean`: everything told had been stored. */
  | {
      readonly type: "let-go";
      readonly connection: string;
      readonly path: string;
      readonly how: "handover" | "release";
      readonly clean: boolean;
    }
  /** Another worker was faster, or our view was old. */
  | { readonly type: "conflict"; readonly connection: string; readonly path: string }
  | { readonly type: "failed"; readonly connection: string; readonly path: string; readonly code: string };

/** Why a picture that a former owner left could not be taken over. */
export type Unusable =
  /** Not readable, or of another version. */
  | "damaged"
  /** Of another share, or read by another case rule. */
  | "foreign"
  /** The stream no longer holds what was told after it. */
  | "retention"
  /** Consumers were asked to list after it. */
  | "resync"
  /** Two owners have spoken at once after it. */
  | "ambiguous"
  /** Too much was told after it. */
  | "long"
  /** The broker did not give it in time. */
  | "unavailable";

export type CheckpointFact =
  | {
      readonly type: "saved";
      readonly connection: string;
      readonly path: string;
      readonly bytes: number;
      readonly seconds: number;
    }
  /** An older one stays. */
  | { readonly type: "failed"; readonly connection: string; readonly path: string; readonly code: string }
  /** There was no moment at which nothing was on its way: an older one stays. */
  | { readonly type: "busy"; readonly connection: string; readonly path: string }
  /** A former owner's, with `replayed` messages it told after it. */
  | {
      readonly type: "used";
      readonly connection: string;
      readonly path: string;
      readonly replayed: number;
      readonly seconds: number;
    }
  | {
      readonly type: "unusable";
      readonly connection: string;
      readonly path: string;
      readonly reason: Unusable;
    };

export type WatchFact = {
  readonly type: "state";
  readonly connection: string;
  readonly path: string;
  readonly state: ClaimState | "closed";
  readonly mode: WatchMode;
  readonly error?: string;
  /** It tells files when they are ready, and hears of what is appended to one only within so many seconds. */
  readonly appendsLateS?: number;
};

/** One run of the control loop. */
export type ReconcileFact = {
  readonly type: "reconciled";
  readonly seconds: number;
  /** Watches the whole fleet should hold, those assigned to us, those we run, those no worker can take. */
  readonly planned: number;
  readonly assigned: number;
  readonly local: number;
  readonly homeless: number;
};

export const claimFacts: Channel<ClaimFact> = channel("worker.claim");
export const checkpointFacts: Channel<CheckpointFact> = channel("worker.checkpoint");
export const watchFacts: Channel<WatchFact> = channel("worker.watch");
export const reconcileFacts: Channel<ReconcileFact> = channel("worker.reconcile");
