import { CONFIG_OPTION, type Command } from "../command.ts";
import { leaveOnSignal } from "../early-signals.ts";

export const worker: Command = {
  spec: {
    name: "worker",
    summary: "Watch the configured shares and publish their changes to NATS.",
    usage: "smb2nats worker --config FILE",
    examples: [
      ["smb2nats worker --config smb2nats.yaml", "run until SIGTERM, which hands the watches over first"],
      [
        "SMB2NATS_NATS_SERVERS=nats://nats:4222 smb2nats worker --config smb2nats.yaml",
        "values from the environment win",
      ],
    ],
    options: { config: CONFIG_OPTION },
    operands: { min: 0, max: 0 },
    notes:
      "Start as many as you like: they share the watches among them. SIGHUP reads the configuration again.",
  },
  run: async (invocation, context) => {
    const onHandled = leaveOnSignal();
    const { runWorker } = await import("../compose/roles.ts");
    return runWorker(invocation, { ...context, onHandled });
  },
};
