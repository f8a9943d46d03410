import type { Clock } from "../base/clock.ts";
import type { WatchSink } from "./api.ts";
import type { Inquirer } from "./inquirer.ts";
import type { Stage } from "./interest.ts";

export interface DeliveryOptions {
  readonly stat: boolean;
  readonly settleMs: number;
  readonly clock: Clock;
  readonly inquirer: Inquirer;
}

/** What an interest's events pass through on their way to its sink. */
export function deliveryStage(out: WatchSink, _options: DeliveryOptions): Stage {
  return { push: out, close: () => undefined };
}
