import type { Clock } from "../../base/clock.ts";
import type { NameLookup } from "../rescan/index.ts";
import type { Stage, StageMaker, StageOutlets } from "./active-interest.ts";
import { Enricher } from "./enrich.ts";
import { ReadyStage, type ReadyStageOptions } from "./ready-stage.ts";
import { Settler } from "./settle.ts";

export interface DeliveryOptions {
  readonly stat: boolean;
  readonly settleMs: number;
  readonly clock: Clock;
  readonly lookup: NameLookup;
  readonly ready: ReadyStageOptions | undefined;
}

const NOTHING: ReadonlySet<string> = new Set();

/** What an interest's events pass through on their way to its sink. `undefined`: nothing. */
export function deliveryStage(options: DeliveryOptions): StageMaker | undefined {
  const { stat, settleMs, ready } = options;
  if (ready !== undefined) {
    return (outlets) => {
      // Behind all others: a file is told before it is told ready.
      const last = new ReadyStage(outlets, ready);
      return last.behind(tellingStage({ ...outlets, out: (event, told) => last.push(event, told) }, options));
    };
  }
  return stat || settleMs > 0 ? (outlets) => tellingStage(outlets, options) : undefined;
}

function tellingStage({ out, number }: StageOutlets, options: DeliveryOptions): Stage {
  const { stat, settleMs, clock, lookup } = options;
  const last: Stage = stat
    ? new Enricher(out, lookup, clock)
    : {
        holds: false,
        push: out,
        withheld: () => NOTHING,
        release: () => undefined,
        close: () => undefined,
      };
  if (settleMs <= 0) return last;
  const settler = new Settler((event, told) => last.push(event, told), { settleMs, clock, number });
  // Settling has to know files from directories.
  const first = new Enricher((event, told) => settler.push(event, told), lookup, clock);
  return {
    get holds() {
      return first.holds || settler.holds || last.holds;
    },
    push: (event, told) => first.push(event, told),
    withheld: () => {
      const names = settler.withheld();
      // What is about to be told by that name is numbered, and so in the picture: it is another one.
      if (names.size > 0) for (const path of first.announced()) names.delete(path);
      return names;
    },
    get unsorted() {
      return first.holds;
    },
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
