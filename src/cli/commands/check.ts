import { ACCOUNT_OPTIONS, CONFIG_OPTION, type Command, JSON_OPTION, SHARE_OPTIONS } from "../command.ts";

export const check: Command = {
  spec: {
    name: "check",
    summary: "Reach each server and say what it can do: dialect, protection, notify, speed. Writes nothing.",
    usage: "smb2nats check [CONNECTION… | //server[:port]/share[/path]] [--config FILE] [--json]",
    examples: [
      [
        "smb2nats check --config smb2nats.yaml",
        "all configured connections; exit status 69 or 77 if one fails",
      ],
      ["smb2nats check nas1 --config smb2nats.yaml --json", "one of them, one JSON object a line"],
      ["smb2nats check //nas/media --username ann", "a share that is not configured yet"],
      [
        "smb2nats check nas1 --config smb2nats.yaml --encryption required",
        "a configured one, tried otherwise",
      ],
    ],
    options: { config: CONFIG_OPTION, json: JSON_OPTION, ...ACCOUNT_OPTIONS, ...SHARE_OPTIONS },
    operands: { min: 0, max: 1_000 },
    notes:
      "What the options on signing and so on mean: docs/configuration.md. Where one of them keeps a server out, the\nrefusal names it.",
  },
  run: async (invocation, context) => (await import("../compose/check.ts")).runCheck(invocation, context),
};
