import { ACCOUNT_OPTIONS, type Command, JSON_OPTION, SHARE_OPTIONS } from "../command.ts";

export const tail: Command = {
  spec: {
    name: "tail",
    summary: "Print changes of a share as they happen, straight from the server; no broker needed.",
    usage: "smb2nats tail //server[:port]/share[/path] [--recursive] [--stat] [--json] [--username NAME]",
    examples: [
      [
        "smb2nats tail //nas/media/incoming --username ann",
        "changes of one directory; asks for the password",
      ],
      ["smb2nats tail //nas/media --recursive --username 'CORP\\ann'", "the directory and all below it"],
      [
        "smb2nats tail //old-nas/media --username ann --min-dialect 2.0.2",
        "a server that speaks nothing newer",
      ],
      ["SMB2NATS_PASSWORD_FILE=pw smb2nats tail //nas/media --username ann --json", "one JSON object a line"],
    ],
    options: {
      recursive: { type: "boolean", short: "r", doc: "all directories below, too" },
      stat: {
        type: "boolean",
        doc: "with each change what can be read of the entry: type, size, time, file id",
      },
      json: JSON_OPTION,
      ...ACCOUNT_OPTIONS,
      ...SHARE_OPTIONS,
    },
    operands: { min: 1, max: 1 },
    notes:
      "The first line is `live`: a listing taken after it cannot miss a change. `resync` means: list again.\nOnce live it reconnects for ever; before that, a server that is not there ends it with 69, a refused\nlogin with 77.",
  },
  run: async (invocation, context) => (await import("../compose/tail.ts")).runTail(invocation, context),
};
