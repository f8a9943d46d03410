import { jsonText } from "../../base/printable.ts";
import { nearest } from "../../ops/nearest.ts";
import { CONFIG_OPTION, type Command, type Context, type Invocation, JSON_OPTION } from "../command.ts";
import { EXIT, type ExitCode, UsageError } from "../exit-codes.ts";

const ACTIONS = ["check", "print", "schema"] as const;

export const config: Command = {
  spec: {
    name: "config",
    summary: "Check, print or describe the configuration.",
    usage: "smb2nats config check|print|schema [--config FILE] [--json]",
    examples: [
      [
        "smb2nats config check --config smb2nats.yaml",
        "report every mistake at once; exit status 78 if there is one",
      ],
      ["smb2nats config print --config smb2nats.yaml", "each value and where it came from, secrets redacted"],
      ["smb2nats config schema > smb2nats.schema.json", "JSON Schema for editors and pipelines"],
    ],
    options: { config: CONFIG_OPTION, json: JSON_OPTION },
    operands: { min: 1, max: 1 },
  },
  run: async (invocation, context) => {
    const action = invocation.operands[0] ?? "";
    if (action === "check") return check(invocation, context);
    if (action === "print") return print(invocation, context);
    if (action === "schema") return schema(context);
    const meant = nearest(action, ACTIONS);
    throw new UsageError(
      `unknown action ${JSON.stringify(action)}${meant === undefined ? `; there are ${ACTIONS.join(", ")}` : `; did you mean "${meant}"?`}`,
    );
  },
};

async function check(invocation: Invocation, context: Context): Promise<ExitCode> {
  const { loadFor } = await import("../load-config.ts");
  const { ConfigError } = await import("../../ops/config-error.ts");
  const { secretProblems } = await import("../../ops/config/secret-files.ts");
  const { out } = context;
  const json = invocation.flag("json");
  try {
    const loaded = loadFor(invocation, context);
    const { problems, warnings } = await secretProblems(loaded);
    if (problems.length > 0) throw new ConfigError(problems);
    if (json) out.json({ ok: true, ...(loaded.file === undefined ? {} : { file: loaded.file }), warnings });
    else {
      for (const warning of warnings) out.say(`warning: ${warning}`);
      const connections = Object.keys(loaded.config.connections).length;
      if (loaded.file === undefined && connections === 0) {
        out.say(
          "No file was read: neither --config nor SMB2NATS_CONFIG names one. This is of the environment and defaults.",
        );
      }
      out.data(
        `ok: ${connections} connection${connections === 1 ? "" : "s"}, ${loaded.config.watches.length} pinned`,
      );
    }
    return EXIT.ok;
  } catch (error) {
    if (!json || !(error instanceof ConfigError)) throw error;
    out.json({ ok: false, problems: error.problems });
    return EXIT.config;
  }
}

async function print(invocation: Invocation, context: Context): Promise<ExitCode> {
  const { loadFor } = await import("../load-config.ts");
  const { configLines, describeOrigin } = await import("../../ops/config/report.ts");
  const { out } = context;
  const lines = configLines(loadFor(invocation, context));
  if (invocation.flag("json")) {
    out.json(Object.fromEntries(lines.map(({ key, value, origin }) => [key, { value, origin }])));
  } else {
    out.table(
      lines.map(({ key, value, origin }) => [
        key,
        typeof value === "string" ? value : jsonText(value),
        out.style("dim", describeOrigin(origin)),
      ]),
    );
  }
  return EXIT.ok;
}

async function schema({ out }: Context): Promise<ExitCode> {
  const { configJsonSchema } = await import("../../ops/config/report.ts");
  out.data(JSON.stringify(configJsonSchema(), undefined, 2));
  return EXIT.ok;
}
