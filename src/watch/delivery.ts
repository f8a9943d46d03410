import type { Clock } from "../base/clock.ts";
import type { WatchSink } from "./api.ts";
import { Enricher } from "./enrich.ts";
import type { Inquirer } from "./inquirer.ts";
import type { Stage } from "./interest.ts";
import { Settler } from "./settle.ts";

export interface DeliveryOptions {
  readonly stat: boolean;
  readonly settleMs: number;
  readonly clock: Clock;
  readonly inquirer: Inquirer;
}

/** What an interest's events pass through on their way to its sink. */
export function deliveryStage(out: WatchSink, options: DeliveryOptions): Stage {
  const { stat, settleMs, clock, inquirer } = options;
  const last: Stage = stat
    ? new Enricher(out, inquirer, clock)
    : { holds: false, push: out, release: () => undefined, close: () => undefined };
  if (settleMs <= 0) return last;
  const settler = new Settler((event) => last.push(event), settleMs, clock);
  // Settling has to know files from directories.
  const first = new Enricher((event) => settler.push(event), inquirer, clock);
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
