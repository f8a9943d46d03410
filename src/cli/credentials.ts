import { printable } from "../base/printable.ts";
import { readSecretFile, type Secret } from "../ops/secrets.ts";
import type { Context, Invocation } from "./command.ts";
import { UsageError } from "./exit-codes.ts";
import { promptSecret } from "./prompt.ts";

/** Who logs in to a share named on the command line. */
export interface Credentials {
  readonly username: string;
  readonly domain: string | undefined;
  readonly password: Secret;
}

/**
 * Options win over the environment. The password comes from the file `SMB2NATS_PASSWORD_FILE` names, else
 * from a prompt; there is no other way in.
 * @throws UsageError, SecretError, InterruptedError
 */
export async function resolveCredentials(
  invocation: Pick<Invocation, "text">,
  context: Pick<Context, "env" | "stdin" | "stderr" | "out">,
  where: string,
): Promise<Credentials> {
  const { env } = context;
  const given = nonEmpty(invocation.text("username")) ?? nonEmpty(env["SMB2NATS_USERNAME"]);
  if (given === undefined) {
    throw new UsageError("nobody to log in as: give --username, or set SMB2NATS_USERNAME");
  }
  const account = splitAccount(given);
  const domain = nonEmpty(invocation.text("domain")) ?? account.domain ?? nonEmpty(env["SMB2NATS_DOMAIN"]);
  const username = account.username;
  const file = nonEmpty(env["SMB2NATS_PASSWORD_FILE"]);
  if (file !== undefined) {
    const { secret, warnings } = await readSecretFile(file);
    for (const warning of warnings) context.out.say(`warning: ${file} ${warning}`);
    return { username, domain, password: secret };
  }
  if (context.stdin.isTTY !== true) {
    throw new UsageError(
      `no password for ${username}: name a file with it in SMB2NATS_PASSWORD_FILE, or run on a terminal to be asked`,
    );
  }
  const question = printable(`Password of ${username} at ${where}: `);
  const password = await promptSecret(question, context.stdin, (text) => context.stderr.write(text));
  return { username, domain, password };
}

/** `CORP\ann` is account and domain; `ann@corp.example.org` goes to the server as it is. */
function splitAccount(text: string): { readonly username: string; readonly domain: string | undefined } {
  const cut = text.indexOf("\\");
  if (cut <= 0) return { username: text, domain: undefined };
  return { username: text.slice(cut + 1), domain: text.slice(0, cut) };
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
