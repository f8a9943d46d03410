import { CONFIG_OPTION, type Command } from "../command.ts";
import { leaveOnSignal } from "../early-signals.ts";

export const gateway: Command = {
  spec: {
    name: "gateway",
    summary: "Relay changes from NATS to browsers over WebSocket.",
    usage: "smb2nats gateway --config FILE",
    examples: [
      ["smb2nats gateway --config smb2nats.yaml", "serve /ws and a live page on gateway.host:gateway.port"],
    ],
    options: { config: CONFIG_OPTION },
    operands: { min: 0, max: 0 },
    notes:
      "It needs the names of the connections, not their credentials. SIGHUP reads the configuration again.",
  },
  run: async (invocation, context) => {
    const onHandled = leaveOnSignal();
    const { runGateway } = await import("../compose/roles.ts");
    return runGateway(invocation, { ...context, onHandled });
  },
};
