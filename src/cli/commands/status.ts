import { CONFIG_OPTION, type Command, JSON_OPTION } from "../command.ts";

export const status: Command = {
  spec: {
    name: "status",
    summary: "Show the fleet as NATS has it: workers, gateways, watches, owners, states.",
    usage: "smb2nats status [--config FILE] [--json]",
    examples: [
      ["smb2nats status --config smb2nats.yaml", "who holds what, and how it is"],
      ["SMB2NATS_NATS_SERVERS=nats://nats:4222 smb2nats status --json", "one JSON object"],
    ],
    options: { config: CONFIG_OPTION, json: JSON_OPTION },
    operands: { min: 0, max: 0 },
    notes: "It looks, and takes no part: no lease, nothing written.",
  },
  run: async (invocation, context) => (await import("../compose/status.ts")).runStatus(invocation, context),
};
