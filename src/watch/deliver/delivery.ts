import type { Clock } from "../../base/clock.ts";
import { type CanonicalPath, parentOf } from "../../base/path.ts";
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
  const settler = new Settler((event, told) => last.push(event, told), {
    settleMs,
    clock,
    number,
    inTurn: (tell) => first.inTurn(tell),
  });
  // Settling has to know files from directories.
  const first = new Enricher((event, told) => settler.push(event, told), lookup, clock);
  return {
    get holds() {
      return first.holds || settler.holds || last.holds;
    },
    push: (event, told) => first.push(event, told),
    withheld: () => withoutAnnounced(settler.withheld(), first.announced()),
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

/**
 * What is about to be told of a name is numbered: whoever has a picture of now does not take it any more, and has to be
 * shown the name. Below what is new by its name, all is of another object.
 */
function withoutAnnounced(
  held: Set<CanonicalPath>,
  announced: ReadonlyMap<CanonicalPath, boolean>,
): Set<CanonicalPath> {
  if (announced.size === 0) return held;
  for (const path of held) {
    let shown = announced.has(path);
    for (let above = parentOf(path); !shown && above !== "/"; above = parentOf(above))
      shown = announced.get(above) === true;
    if (shown) held.delete(path);
  }
  return held;
}
