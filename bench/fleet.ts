import { claims } from "./fleet-claims.ts";
import { outbox } from "./fleet-outbox.ts";
import { processes } from "./fleet-processes.ts";
import type { Section } from "./stats.ts";

/** What the fleet promises, measured: take-over, hand-over, renewal, balance, and an outage of NATS. */
export async function fleet(quick: boolean): Promise<Section> {
  return {
    title: "The fleet",
    method:
      "take-over and hand-over: two workers as processes on a Samba of our own; claims and traffic: workers as processes over a share that answers at once; outbox: the publisher alone",
    rows: [
      ...(await processes(quick ? 1 : 3, quick ? 100 : 1_000)),
      ...(await claims(quick ? 1_000 : 10_000)),
      ...(await outbox(quick ? 5_000 : 50_000, 500)),
      ...(await outbox(quick ? 25_000 : 50_000, quick ? 25_000 : 50_000)),
    ],
  };
}
