import { ACCOUNT_OPTIONS, CONFIG_OPTION, type Command, SHARE_OPTIONS } from "../command.ts";
import { leaveOnSignal } from "../early-signals.ts";

export const up: Command = {
  spec: {
    name: "up",
    summary:
      "Everything in one process: worker, gateway, and a private NATS server where none is configured.",
    usage: "smb2nats up [//server[:port]/share[/path]] [--username NAME] [OPTION…] [--config FILE]",
    examples: [
      ["smb2nats up //nas/media --username ann", "asks for the password, then serves http://127.0.0.1:8080/"],
      ["smb2nats up --config smb2nats.yaml", "the configured shares"],
      [
        "SMB2NATS_NATS_SERVERS=nats://nats:4222 smb2nats up --config smb2nats.yaml",
        "with a NATS server that is there",
      ],
    ],
    options: { config: CONFIG_OPTION, ...ACCOUNT_OPTIONS, ...SHARE_OPTIONS },
    operands: { min: 0, max: 1 },
    notes:
      "The private server is nats-server from PATH, or NATS_SERVER_BIN, on a loopback port of its own; its data stays\nbelow $XDG_STATE_HOME/smb2nats. A share named here becomes a connection named after the share.",
  },
  run: async (invocation, context) => {
    const onHandled = leaveOnSignal();
    const { runUp } = await import("../compose/roles.ts");
    return runUp(invocation, { ...context, onHandled });
  },
};
