import { ACCOUNT_OPTIONS, CONSUMER_OPTIONS, type Command, JSON_OPTION, SHARE_OPTIONS } from "../command.ts";

export const tail: Command = {
  spec: {
    name: "tail",
    summary: "Print changes of a share as they happen, straight from the server; no broker needed.",
    usage:
      "smb2nats tail //server[:port]/share[/path] [--recursive] [--stat] [--json] [OPTION…] [-- ARGUMENT…]",
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
      [
        "smb2nats tail //nas/scans --username ann --count 1 --wait 600",
        "wait for something to happen: 0, or 124",
      ],
      [
        "smb2nats tail //nas/scans --username ann --exec ./on-change.sh -- --verbose",
        "run a program for each batch of changes",
      ],
      ["SMB2NATS_PASSWORD_FILE=pw smb2nats tail //nas/media --username ann --json", "one JSON object a line"],
    ],
    options: {
      recursive: { type: "boolean", short: "r", doc: "all directories below, too" },
      stat: {
        type: "boolean",
        doc: "with each change what can be read of the entry: type, size, time, file id",
      },
      ready: {
        type: "string",
        value: "SECONDS",
        doc: "tell files, too, when they have been quiet that long and nobody has them open for writing",
      },
      json: JSON_OPTION,
      ...ACCOUNT_OPTIONS,
      ...CONSUMER_OPTIONS,
      ...SHARE_OPTIONS,
    },
    operands: { min: 1, max: 1 },
    passesRest: true,
    notes:
      "The first line is `live`: a listing taken after it cannot miss a change. `resync` means: list again.\nOnce live it reconnects for ever; before that, a server that is not there ends it with 69, a refused\nlogin with 77. With --exec, 1 says that a program did not end with 0; a `resync` is passed\nto it like a batch of changes.",
  },
  run: async (invocation, context) => (await import("../compose/tail.ts")).runTail(invocation, context),
};
