import { integer } from "../formats.ts";
import { type OptionTree, option } from "../option.ts";
import type { WorkerConfig } from "../types.ts";

export const worker: OptionTree<WorkerConfig> = {
  leaseTtlMs: option(integer(3_000, 600_000), 15_000, "How long a silent process keeps its watches."),
  capacity: option(integer(1), 20_000, "Watches this worker takes at most."),
  maxInFlight: option(
    integer(1, 4_096),
    256,
    "Publishes awaiting their acknowledgement, over all directories.",
  ),
  outbox: {
    maxMessages: option(
      integer(100),
      20_000,
      "Events kept while NATS is away; what does not fit is announced as a resync.",
    ),
    maxBytes: option(integer(65_536), 67_108_864, "The same, in bytes."),
  },
  drainSeconds: option(integer(0, 3_600), 25, "Longest hand-over of watches at shutdown."),
  checkpointSeconds: option(
    integer(0, 3_600),
    30,
    "How long after a change the picture of its directory is saved for whoever takes over. 0: never; a take-over asks everyone to list.",
  ),
};
