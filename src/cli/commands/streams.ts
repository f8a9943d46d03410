import { type Command, JSON_OPTION, NATS_OPTIONS } from "../command.ts";

export const streams: Command = {
  spec: {
    name: "streams",
    summary:
      "Show the streams and buckets in NATS: what they hold, what is reserved for them, what should be.",
    usage: "smb2nats streams [--config FILE] [--server URL] [--json]",
    examples: [
      ["smb2nats streams --config smb2nats.yaml", "sizes, and what differs from the configuration"],
      ["smb2nats streams --server nats://nats:4222 --json", "one JSON object, sizes in bytes"],
    ],
    options: { ...NATS_OPTIONS, json: JSON_OPTION },
    operands: { min: 0, max: 0 },
    notes:
      "It looks, and changes nothing. Exit status 1: a stream is not there, or differs so that no role starts.",
  },
  run: async (invocation, context) => (await import("../compose/streams.ts")).runStreams(invocation, context),
};
