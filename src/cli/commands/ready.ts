import { ACCOUNT_OPTIONS, type Command, JSON_OPTION, SHARE_OPTIONS } from "../command.ts";

export const ready: Command = {
  spec: {
    name: "ready",
    summary: "Hand files over when they are complete: quiet, and open for writing nowhere; no broker needed.",
    usage:
      "smb2nats ready //server[:port]/share[/path] [--recursive] [--exec PROGRAM] [OPTION…] [-- ARGUMENT…]",
    examples: [
      [
        "smb2nats ready //nas/scans/incoming --username ann",
        "one line for each file, those that are there already included",
      ],
      [
        "smb2nats ready //nas/scans/incoming --username ann --exec ./take.sh --done taken.jsonl",
        "one process for each file; a restart neither repeats nor forgets",
      ],
      [
        "smb2nats ready //nas/scans/incoming --username ann --exec ./take.sh --done taken.jsonl --once",
        "from cron: what is ready now",
      ],
      [
        "smb2nats ready //nas/media --recursive --username ann --ignore '*.nfo,/done/**' --quiet 30 --json",
        "all directories below but one, for programs",
      ],
    ],
    options: {
      recursive: { type: "boolean", short: "r", doc: "all directories below, too" },
      quiet: { type: "string", value: "SECONDS", doc: "how long nothing was heard of the file; default 2" },
      ignore: {
        type: "string",
        value: "GLOBS",
        doc: "files that are left alone, with commas: names, or paths where there is a /",
      },
      "empty-after": {
        type: "string",
        value: "SECONDS",
        doc: "an empty file is not ready before; default 60",
      },
      "max-wait": {
        type: "string",
        value: "SECONDS",
        doc: "ready at the latest so long after its first change, open or not; default never",
      },
      exec: {
        type: "string",
        value: "PROGRAM",
        doc: "run it for each file, which it gets as a line of JSON on standard input; no shell, arguments behind --",
      },
      "exec-jobs": { type: "string", value: "N", doc: "that many files at once; default 1" },
      "exec-timeout": { type: "string", value: "SECONDS", doc: "end one that takes longer; default 3600" },
      tries: {
        type: "string",
        value: "N",
        doc: "run it so often for a file until it ends with 0, after pauses of 1, 2, 4 … 60 s; default 5",
      },
      done: {
        type: "string",
        value: "FILE",
        doc: "remember there what was dealt with, by file id, size and time",
      },
      once: { type: "boolean", doc: "deal with what is ready now, and end; what is being written is left" },
      json: JSON_OPTION,
      ...ACCOUNT_OPTIONS,
      ...SHARE_OPTIONS,
    },
    operands: { min: 1, max: 1 },
    passesRest: true,
    notes:
      "Files that are there at the start are dealt with like new ones, unless --done knows them. A file that is\nchanged later is dealt with again. What was given up after --tries is tried again at the next start.\nWith --exec, 1 says that something was given up.",
  },
  run: async (invocation, context) => (await import("../compose/ready.ts")).runReady(invocation, context),
};
