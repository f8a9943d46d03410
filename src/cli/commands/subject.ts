import { canonicalPath } from "../../base/path.ts";
import { printable } from "../../base/printable.ts";
import { CONFIG_OPTION, type Command, JSON_OPTION } from "../command.ts";
import { EXIT, UsageError } from "../exit-codes.ts";

export const subject: Command = {
  spec: {
    name: "subject",
    summary: "Print the NATS subject of a directory, or the directory of a subject.",
    usage:
      "smb2nats subject CONNECTION PATH [--recursive] [--json]\n  smb2nats subject --reverse SUBJECT [--json]",
    examples: [
      ['smb2nats subject nas1 "/My Documents"', "smb.nas1.my=20documents"],
      [
        "smb2nats subject nas1 /Media --recursive",
        "what to subscribe to for the whole tree, one subject a line",
      ],
      ["smb2nats subject --reverse smb.nas1.v1=2E2", "nas1 and /v1.2"],
    ],
    options: {
      recursive: { type: "boolean", short: "r", doc: "the directory and all below it" },
      reverse: { type: "boolean", doc: "read a subject back" },
      "case-sensitive": {
        type: "boolean",
        doc: "do not fold case (default: what the configuration says of the connection, else fold)",
      },
      config: CONFIG_OPTION,
      json: JSON_OPTION,
    },
    operands: { min: 1, max: 2 },
    notes: "A tree is two subscriptions: the directory's own subject, and everything below it with `.>`.",
  },
  run: async (invocation, context) => {
    const { isConnectionName, scopeNames, Subjects, watchName } = await import("../../broker/subjects.ts");
    const { loadFor } = await import("../load-config.ts");
    const { out } = context;
    const [first = "", path] = invocation.operands;
    const json = invocation.flag("json");
    if (invocation.flag("reverse")) {
      if (path !== undefined) throw new UsageError("--reverse takes one subject");
      const subjects = new Subjects(loadFor(invocation, context).config.nats.subjectPrefix);
      let parsed: ReturnType<typeof subjects.parse>;
      try {
        parsed = subjects.parse(first);
      } catch (error) {
        throw new UsageError(error instanceof Error ? error.message : String(error));
      }
      if (json) out.json(parsed);
      else {
        out.data(`${parsed.connection}\t${printable(parsed.path)}`);
        if (parsed.cut)
          out.say("The rest of the path is in the subject as a hash only; the message body has it in full.");
      }
      return EXIT.ok;
    }
    if (path === undefined) throw new UsageError("subject needs a connection and a path");
    if (!isConnectionName(first)) {
      throw new UsageError(`${JSON.stringify(first)} is not a connection's name: a-z 0-9 _ -, at most 63`);
    }
    const { connections, nats } = loadFor(invocation, context).config;
    const all = new Subjects(nats.subjectPrefix);
    const caseSensitive = invocation.flag("case-sensitive") || connections[first]?.caseSensitive === true;
    const name = watchName(first, canonicalPath(path), caseSensitive);
    const subjects = scopeNames(name, invocation.flag("recursive")).map((each) => all.event(each));
    if (json) out.json({ connection: first, path: canonicalPath(path), subjects });
    else for (const line of subjects) out.data(line);
    return EXIT.ok;
  },
};
