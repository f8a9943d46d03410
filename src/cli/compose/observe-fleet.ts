import { controlFacts, leaseFacts, recordFacts, refFacts, sweepFacts } from "../../fleet/facts.ts";
import { BoundedLabel } from "../../ops/metrics/index.ts";
import type { Observer } from "./observer.ts";

/** Listens to leases, refs and the control API; returns what ends it. */
export function observeFleet({ metrics: { fleet }, log, summary }: Observer): (() => void)[] {
  const codes = new BoundedLabel();
  const outcomes = new BoundedLabel();
  return [
    leaseFacts.subscribe((fact) => {
      const { lease } = fact;
      switch (fact.type) {
        case "renewed":
          fleet.renewals.inc({ kind: fact.kind, outcome: "renewed" });
          fleet.renewalSeconds.observe(fact.seconds);
          summary.clear("lease");
          return;
        case "renewal-failed":
          fleet.renewals.inc({ kind: fact.kind, outcome: "failed" });
          summary.warn("lease", "lease.renewal-failed", "the lease could not be renewed; trying again", {
            lease,
            code: fact.code,
          });
          return;
        case "lost":
          fleet.losses.inc({ kind: fact.kind });
          log.error("lease.lost", "another process declared this one dead; starting over", { lease });
          return;
        case "revoked":
          fleet.revocations.inc();
          log.warn("lease.revoked", "a silent process was declared dead; its watches move", { lease });
          return;
        case "acquired":
          log.info("lease.acquired", "joined the fleet", { lease, kind: fact.kind });
          return;
        case "released":
          log.info("lease.released", "left the fleet", { lease, kind: fact.kind });
      }
    }),
    refFacts.subscribe((fact) => {
      if (fact.type === "failed") {
        fleet.refFailures.inc({ code: codes.of(fact.code) });
        summary.warn("ref", "ref.failed", "a ref is not written yet; trying again", { code: fact.code });
      } else {
        fleet.refs.set(fact.refs);
        summary.clear("ref");
      }
    }),
    sweepFacts.subscribe(({ refs, claims }) => {
      fleet.swept.inc({ kind: "ref" }, refs);
      fleet.swept.inc({ kind: "claim" }, claims);
      log.info("fleet.swept", "removed records of dead processes", { refs, claims });
    }),
    recordFacts.subscribe(({ key, message }) => {
      fleet.unreadable.inc();
      summary.warn(`record ${key}`, "fleet.unreadable", message, { key });
    }),
    controlFacts.subscribe((fact) => {
      const { endpoint } = fact;
      if (fact.type === "too-large") {
        summary.warn(
          `too-large ${endpoint}`,
          "control.too-large",
          "an answer is over the NATS server's max_payload and was not sent",
          { endpoint, maxPayload: fact.limit },
        );
        return;
      }
      const { outcome, seconds } = fact;
      fleet.controlRequests.inc({ endpoint, outcome: outcomes.of(outcome) });
      fleet.controlSeconds.observe({ endpoint }, seconds);
    }),
  ];
}
