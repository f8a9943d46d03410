import { type Command, JSON_OPTION, NATS_OPTIONS } from "../command.ts";

export const status: Command = {
  spec: {
    name: "status",
    summary: "Show the fleet as NATS has it: workers, gateways, watches, owners, states.",
    usage: "smb2nats status [--watch] [--config FILE] [--server URL] [--timeout SECONDS] [--json]",
    examples: [
      ["smb2nats status --config smb2nats.yaml", "who holds what, and how it is"],
      ["SMB2NATS_NATS_SERVERS=nats://nats:4222 smb2nats status --json", "one JSON object"],
      ["smb2nats status --server nats://nats:4222 --watch", "again every two seconds, until Ctrl-C"],
    ],
    options: {
      watch: { type: "boolean", doc: "again every two seconds; with --json an object a line" },
      ...NATS_OPTIONS,
      json: JSON_OPTION,
    },
    operands: { min: 0, max: 0 },
    notes:
      "CHANGED, RESYNCS/H and FOUND/H are what the owner of a watch remembers: its last change, the resyncs of\nthe last hour, and the changes of that hour that the file server had not told. `?`: it was not to be asked.\nIt looks, and takes no part: no lease, nothing written.",
  },
  run: async (invocation, context) => (await import("../compose/status.ts")).runStatus(invocation, context),
};
