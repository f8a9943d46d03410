import { CONSUMER_OPTIONS, type Command, JSON_OPTION, NATS_OPTIONS } from "../command.ts";

export const watch: Command = {
  spec: {
    name: "watch",
    summary: "Print changes of a directory as a NATS consumer would see them; a worker must be running.",
    usage:
      "smb2nats watch CONNECTION PATH [--recursive] [--mirror | --since CURSOR] [--json] [OPTION…] [-- ARGUMENT…]",
    examples: [
      ["smb2nats watch nas1 /Media --recursive", "a directory and all below it, until Ctrl-C"],
      ["smb2nats watch nas1 /Media --json", "one JSON object a line, each with its cursor"],
      ["smb2nats watch nas1 /Media --mirror --json", "what is there, then every change, in one order"],
      ["smb2nats watch nas1 /Media --json --since q4g2xmru:42", "first what was stored after that cursor"],
      [
        "smb2nats watch nas1 /Scans --exec ./on-change.sh --exec-timeout 600",
        "run a program for each batch of changes",
      ],
    ],
    options: {
      recursive: { type: "boolean", short: "r", doc: "all directories below, too" },
      mirror: {
        type: "boolean",
        doc: "first what is there, then every change of it: nothing has to be listed",
      },
      since: { type: "string", value: "CURSOR", doc: "cursor of the last event dealt with" },
      json: JSON_OPTION,
      ...NATS_OPTIONS,
      ...CONSUMER_OPTIONS,
    },
    operands: { min: 2, max: 2 },
    passesRest: true,
    notes:
      "While it runs it holds a lease, so the directory stays watched. `resync` means: list again.\nWith --exec, 1 says that a program did not end with 0; a `resync` is passed to it like a batch of changes.",
  },
  run: async (invocation, context) => (await import("../compose/watch.ts")).runWatch(invocation, context),
};
