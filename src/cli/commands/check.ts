import { ACCOUNT_OPTIONS, type Command, JSON_OPTION, NATS_OPTIONS, SHARE_OPTIONS } from "../command.ts";
import { UsageError } from "../exit-codes.ts";

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
    options: {
      ...NATS_OPTIONS,
      json: JSON_OPTION,
      ...ACCOUNT_OPTIONS,
      ...SHARE_OPTIONS,
      gateway: { type: "string", value: "URL", doc: "check the whole chain through this gateway instead" },
      "token-file": { type: "string", value: "FILE", doc: "with --gateway: file with the token to show" },
      origin: {
        type: "string",
        value: "ORIGIN",
        doc: "with --gateway: connect as a page of this origin would",
      },
      write: {
        type: "string",
        value: "DIR",
        doc: "with --gateway: make a file there over SMB, see it told through NATS and WebSocket, remove it",
      },
    },
    operands: { min: 0, max: 1_000 },
    notes:
      "What the options on signing and so on mean: docs/configuration.md. Where one of them keeps a server out, the\nrefusal names it. With --gateway the first step that fails ends it: 69 not reached, 77 refused, 1 else.\n--write makes one empty file, `smb2nats-check-…`, that the file server removes with its handle, as\n--username or as the connection's account.",
  },
  run: async (invocation, context) => {
    if (invocation.flag("gateway")) {
      return (await import("../compose/check-gateway.ts")).runCheckGateway(invocation, context);
    }
    const only = ["token-file", "origin", "write", "server", "timeout"].find((name) => invocation.flag(name));
    if (only !== undefined) throw new UsageError(`--${only} says nothing without --gateway`);
    return (await import("../compose/check.ts")).runCheck(invocation, context);
  },
};
