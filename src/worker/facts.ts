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

export type WatchFact = {
  readonly type: "state";
  readonly connection: string;
  readonly path: string;
  readonly state: ClaimState | "closed";
  readonly mode: WatchMode;
  readonly error?: string;
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
export const watchFacts: Channel<WatchFact> = channel("worker.watch");
export const reconcileFacts: Channel<ReconcileFact> = channel("worker.reconcile");
