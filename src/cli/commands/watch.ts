import { CONFIG_OPTION, type Command, JSON_OPTION } from "../command.ts";

export const watch: Command = {
  spec: {
    name: "watch",
    summary: "Print changes of a directory as a NATS consumer would see them; a worker must be running.",
    usage: "smb2nats watch CONNECTION PATH [--recursive] [--since CURSOR] [--config FILE] [--json]",
    examples: [
      ["smb2nats watch nas1 /Media --recursive", "a directory and all below it, until Ctrl-C"],
      ["smb2nats watch nas1 /Media --json", "one JSON object a line, each with its cursor"],
      ["smb2nats watch nas1 /Media --json --since q4g2xmru:42", "first what was stored after that cursor"],
    ],
    options: {
      recursive: { type: "boolean", short: "r", doc: "all directories below, too" },
      since: { type: "string", value: "CURSOR", doc: "cursor of the last event dealt with" },
      json: JSON_OPTION,
      config: CONFIG_OPTION,
    },
    operands: { min: 2, max: 2 },
    notes: "While it runs it holds a lease, so the directory stays watched. `resync` means: list again.",
  },
  run: async (invocation, context) => (await import("../compose/watch.ts")).runWatch(invocation, context),
};
