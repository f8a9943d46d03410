import { type Config, type ConnectionConfig, loadConfig } from "../../ops/config/index.ts";
import { readSecretFile, type Secret } from "../../ops/secrets.ts";
import { Share } from "../../share/share.ts";
import type { Context, Invocation } from "../command.ts";
import { type Credentials, resolveCredentials } from "../credentials.ts";
import { connectionNameOf, formatShare, parseShareArgument, type ShareArgument } from "../share-argument.ts";
import { authProvider } from "./auth.ts";
import { shareOptions } from "./share-options.ts";
import { type ShareSettings, shareSettings } from "./share-settings.ts";

/** A share, ready to be asked; nothing has been sent yet. */
export interface OpenedShare {
  readonly name: string;
  readonly share: Share;
  readonly settings: ConnectionConfig;
  /** For people: `//nas/media`. */
  readonly where: string;
}

/** A share named on the command line, as a connection. */
export interface NamedShare {
  readonly name: string;
  readonly argument: ShareArgument;
  readonly entry: Readonly<Record<string, unknown>>;
  readonly where: string;
  readonly password: Secret;
}

/** Reads the operand and asks for credentials. @throws UsageError, SecretError, InterruptedError */
export async function nameShare(
  operand: string,
  invocation: Invocation,
  context: Context,
): Promise<NamedShare> {
  const argument = parseShareArgument(operand);
  const settings = shareSettings(invocation);
  const where = formatShare(argument);
  const { username, domain, password } = await resolveCredentials(invocation, context, where);
  const entry = {
    server: argument.server,
    share: argument.share,
    ...(argument.port === undefined ? {} : { port: argument.port }),
    username,
    ...(domain === undefined ? {} : { domain }),
    ...settings,
  };
  return { name: connectionNameOf(argument), argument, entry, where, password };
}

/** @throws ConfigError, UsageError */
export function openNamedShare(
  { name, entry, where, password }: NamedShare,
  context: Pick<Context, "env">,
): OpenedShare {
  const { config } = loadConfig({ env: context.env, argument: { name, entry } });
  return openConnection(name, config.connections[name] as ConnectionConfig, password, where);
}

/**
 * A connection of the configuration, with what the command line says otherwise, and as who.
 * @throws SecretError, UsageError
 */
export async function openConfigured(
  name: string,
  config: Config,
  settings: ShareSettings = {},
  credentials?: Credentials,
): Promise<OpenedShare> {
  const connection = { ...(config.connections[name] as ConnectionConfig), ...settings };
  if (credentials !== undefined) {
    const { username, domain, password } = credentials;
    const other: ConnectionConfig = {
      ...connection,
      username,
      domain,
      auth: "ntlm",
      passwordFile: undefined,
    };
    return openConnection(name, other, password);
  }
  const { passwordFile } = connection;
  const password = passwordFile === undefined ? undefined : (await readSecretFile(passwordFile)).secret;
  return openConnection(name, connection, password);
}

function openConnection(
  name: string,
  settings: ConnectionConfig,
  password: Secret | undefined,
  where?: string,
): OpenedShare {
  const share = new Share(shareOptions(name, settings, authProvider(name, settings, password)));
  return { name, share, settings, where: where ?? formatShare(settings) };
}
