import type { Clock } from "../../base/clock.ts";
import type { WatchSink } from "../api.ts";
import type { NameLookup } from "../rescan/index.ts";
import type { Stage } from "./active-interest.ts";
import { Enricher } from "./enrich.ts";
import { Settler } from "./settle.ts";

export interface DeliveryOptions {
  readonly stat: boolean;
  readonly settleMs: number;
  readonly clock: Clock;
  readonly lookup: NameLookup;
}

/** What an interest's events pass through on their way to its sink. */
export function deliveryStage(out: WatchSink, options: DeliveryOptions): Stage {
  const { stat, settleMs, clock, lookup } = options;
  const last: Stage = stat
    ? new Enricher(out, lookup, clock)
    : { holds: false, push: out, release: () => undefined, close: () => undefined };
  if (settleMs <= 0) return last;
  const settler = new Settler((event) => last.push(event), settleMs, clock);
  // Settling has to know files from directories.
  const first = new Enricher((event) => settler.push(event), lookup, clock);
  return {
    get holds() {
      return first.holds || settler.holds || last.holds;
    },
    push: (event) => first.push(event),
    release: () => {
      first.release();
      settler.release();
      last.release();
    },
    close: () => {
      first.close();
      settler.close();
      last.close();
    },
  };
}
