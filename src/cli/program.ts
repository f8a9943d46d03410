import { describeError } from "../base/errors.ts";
import { ConfigError, describeProblem } from "../ops/config-error.ts";
import { nearest } from "../ops/nearest.ts";
import { redactUrls } from "../ops/secrets.ts";
import { type Context, parseInvocation } from "./command.ts";
import { COMMANDS, type CommandEntry } from "./commands.ts";
import { EXIT, type ExitCode, exitCodeOf, InterruptedError, UsageError } from "./exit-codes.ts";
import { commandHelp, programHelp } from "./help.ts";

/** Runs one command line to its end. Never throws: what goes wrong becomes a line and an exit status. */
export async function runProgram(args: readonly string[], context: Context): Promise<ExitCode> {
  const { out } = context;
  try {
    return await dispatch(args, context);
  } catch (error) {
    if (out.gone.aborted) return EXIT.ok;
    if (error instanceof ConfigError) {
      for (const problem of error.problems) out.error(describeProblem(problem));
    } else if (!(error instanceof InterruptedError)) {
      out.error(redactUrls(describeError(error)));
    }
    if (error instanceof UsageError) out.say("Try --help.");
    return exitCodeOf(error);
  }
}

async function dispatch(args: readonly string[], context: Context): Promise<ExitCode> {
  const { out } = context;
  const [first, ...rest] = args;
  if (first === undefined) {
    out.say(programHelp(COMMANDS));
    return EXIT.usage;
  }
  if (first === "--help" || first === "-h" || first === "help") return help(rest, context);
  if (first === "--version" || first === "-V" || first === "version") {
    const { readVersion } = await import("../ops/version.ts");
    const { version, commit } = readVersion();
    out.data(commit === undefined ? `smb2nats ${version}` : `smb2nats ${version} (${commit.slice(0, 12)})`);
    return EXIT.ok;
  }
  const command = await find(first).load();
  const invocation = parseInvocation(command.spec, rest);
  if (invocation.flag("help")) {
    out.data(commandHelp(command.spec));
    return EXIT.ok;
  }
  return command.run(invocation, context);
}

async function help([name]: readonly string[], { out }: Context): Promise<ExitCode> {
  out.data(name === undefined ? programHelp(COMMANDS) : commandHelp((await find(name).load()).spec));
  return EXIT.ok;
}

function find(name: string): CommandEntry {
  const entry = COMMANDS.find((one) => one.name === name);
  if (entry !== undefined) return entry;
  if (name.startsWith("-")) throw new UsageError(`unknown option ${name} before the command`);
  const meant = nearest(
    name,
    COMMANDS.map((one) => one.name),
  );
  throw new UsageError(
    `unknown command ${JSON.stringify(name)}${meant === undefined ? "" : `; did you mean "${meant}"?`}`,
  );
}
