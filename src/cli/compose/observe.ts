import { Scope } from "../../base/scope.ts";
import type { Log } from "../../ops/log.ts";
import type { Metrics } from "../../ops/metrics.ts";
import { Summary } from "../../ops/summary.ts";
import { observeBroker } from "./observe-broker.ts";
import { observeFleet } from "./observe-fleet.ts";
import { observeGateway } from "./observe-gateway.ts";
import { observeSmb } from "./observe-smb.ts";
import { observeWatch } from "./observe-watch.ts";
import type { Observer } from "./observer.ts";

/** Turns the facts that the floors state into metrics and log lines, until the scope closes. */
export function observe(metrics: Metrics, log: Log): Scope {
  const scope = new Scope();
  const summary = scope.use(new Summary(log));
  const observer: Observer = { metrics, log, summary };
  for (const start of [observeSmb, observeWatch, observeBroker, observeFleet, observeGateway]) {
    for (const stop of start(observer)) scope.defer(stop);
  }
  return scope;
}
