import { ConfigError, type Origin, type Problem, showValue } from "../config-error.ts";
import {
  CONNECTIONS_VARIABLE,
  connectionsInEnvironment,
  connectionVariable,
  type Environment,
  ownVariables,
  unknownVariables,
  variableOf,
  WATCHES_VARIABLE,
} from "./env.ts";
import { isMap, parseYaml, readConfigFile } from "./file.ts";
import { connectionName, parseHostAndPort } from "./formats.ts";
import { type LayerContext, layer } from "./layers.ts";
import { brokenRules } from "./rules.ts";
import { CONNECTION_OPTIONS, OPTIONS, WATCH_OPTIONS } from "./schema.ts";
import type { AccountConfig, Config, ConnectionConfig, PinnedWatch } from "./types.ts";

export interface LoadOptions {
  /** Path of the YAML or JSON file. Absent: environment and defaults only. */
  readonly file?: string | undefined;
  readonly env: Environment;
  /** A connection named on the command line. It wins over one of the same name in the file. */
  readonly argument?: ConnectionArgument | undefined;
}

export interface ConnectionArgument {
  readonly name: string;
  /** As an entry of `connections`. */
  readonly entry: Readonly<Record<string, unknown>>;
}

export interface LoadedConfig {
  readonly config: Config;
  /** By full key, such as `connections.nas1.signing`. */
  readonly origins: ReadonlyMap<string, Origin>;
  readonly file: string | undefined;
}

/**
 * Reads file and environment and checks everything.
 * @throws ConfigError with every problem found.
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const problems: Problem[] = [];
  const origins = new Map<string, Origin>();
  const context: LayerContext = { problems, origins };
  const own = ownVariables(options.env);
  const fileOrigin: Origin = { source: "file", ...(options.file && { detail: options.file }) };
  const raw = options.file === undefined ? {} : readConfigFile(options.file, problems);
  const { connections: rawConnections, watches: rawWatches, ...rest } = raw ?? {};

  const tree = { ...OPTIONS, connections: {}, watches: {} };
  const base = layer(
    { tree, prefix: "", data: rest, dataOrigin: fileOrigin, env: own, variableOf },
    context,
  ) as unknown as Omit<Config, "connections" | "watches">;

  const badNames: Problem[] = [];
  const found = { problems, badNames };
  const entries = connectionEntries(rawConnections, fileOrigin, own, options.argument, found);
  problems.push(...badNames);
  const connections = [...entries].map(
    ([name, { data, origin }]) => [name, connection(name, data, origin, own, base.account, context)] as const,
  );
  problems.push(...unknownVariables(own, [...entries.keys()]));
  const watches = watchEntries(rawWatches, fileOrigin, own, context);

  // What could not be read at all may have said anything.
  if (raw !== undefined) {
    const promptedConnection = options.argument?.name;
    // A name says nothing about the values below it.
    const unsound = problems.filter((problem) => !badNames.includes(problem));
    problems.push(...brokenRules({ ...base, connections, watches }, unsound, { promptedConnection }));
  }
  if (problems.length > 0) throw new ConfigError(problems);
  // Names are in order here: none is one of the prototype's that could be assigned to.
  const config = deepFreeze({ ...base, connections: Object.fromEntries(connections), watches });
  return { config, origins, file: options.file };
}

type Entries = Map<string, { readonly data: Record<string, unknown>; readonly origin: Origin }>;

function connectionEntries(
  raw: unknown,
  fileOrigin: Origin,
  own: Record<string, string>,
  argument: ConnectionArgument | undefined,
  { problems, badNames }: { readonly problems: Problem[]; readonly badNames: Problem[] },
): Entries {
  const entries: Entries = new Map();
  const add = (section: unknown, origin: Origin): void => {
    if (section === undefined || section === null) return;
    if (!isMap(section)) {
      problems.push({ key: "connections", reason: "is not a map from names to connections", origin });
      return;
    }
    for (const [name, data] of Object.entries(section)) {
      const key = `connections.${name}`;
      const reason = connectionName.problem(name);
      if (reason !== undefined) badNames.push({ key, reason: `the name ${reason}`, origin });
      // A bad name hides nothing of what stands below it.
      if (!isMap(data))
        problems.push({ key, value: showValue(key, data), reason: "is not a map of settings", origin });
      else entries.set(name, { data, origin });
    }
  };
  add(raw, fileOrigin);
  const text = own[CONNECTIONS_VARIABLE];
  if (text !== undefined) {
    const parsed = parseYaml(text, CONNECTIONS_VARIABLE, problems);
    add(parsed, { source: "env", detail: CONNECTIONS_VARIABLE });
  }
  for (const name of connectionsInEnvironment(own, [...entries.keys()])) {
    entries.set(name, { data: {}, origin: { source: "env" } });
  }
  if (argument !== undefined) {
    entries.set(argument.name, { data: { ...argument.entry }, origin: { source: "argument" } });
  }
  return entries;
}

function connection(
  name: string,
  data: Record<string, unknown>,
  origin: Origin,
  own: Record<string, string>,
  account: AccountConfig,
  context: LayerContext,
): ConnectionConfig {
  const prefix = `connections.${name}`;
  const read = layer(
    {
      tree: CONNECTION_OPTIONS,
      prefix,
      data,
      dataOrigin: origin,
      env: own,
      variableOf: ({ key }) => connectionVariable(name, key),
    },
    context,
  ) as unknown as ConnectionConfig;
  const server = parseHostAndPort(read.server);
  if (server?.port !== undefined) {
    context.origins.set(`${prefix}.port`, context.origins.get(`${prefix}.server`) ?? origin);
  }
  return {
    ...read,
    ...accountOf(prefix, read, account, context),
    server: server?.host ?? read.server,
    port: server?.port ?? read.port,
  };
}

/** An account is taken whole: one connection's user never gets another's password. */
function accountOf(
  prefix: string,
  own: AccountConfig,
  shared: AccountConfig,
  { origins }: LayerContext,
): AccountConfig {
  const { username, domain, passwordFile } = own;
  if (username !== undefined || shared.username === undefined) return { username, domain, passwordFile };
  for (const key of ["username", "domain", "passwordFile"] as const) {
    const from = origins.get(`account.${key}`);
    if (own[key] === undefined && from !== undefined) origins.set(`${prefix}.${key}`, from);
  }
  return {
    username: shared.username,
    domain: domain ?? shared.domain,
    passwordFile: passwordFile ?? shared.passwordFile,
  };
}

function watchEntries(
  raw: unknown,
  fileOrigin: Origin,
  own: Record<string, string>,
  context: LayerContext,
): PinnedWatch[] {
  const text = own[WATCHES_VARIABLE];
  const section = text === undefined ? raw : parseYaml(text, WATCHES_VARIABLE, context.problems);
  const origin: Origin = text === undefined ? fileOrigin : { source: "env", detail: WATCHES_VARIABLE };
  if (section === undefined || section === null) return [];
  if (!Array.isArray(section)) {
    context.problems.push({ key: "watches", reason: "is not a list", origin });
    return [];
  }
  return (section as readonly unknown[]).flatMap((data, index) => {
    const prefix = `watches[${index}]`;
    if (!isMap(data)) {
      context.problems.push({
        key: prefix,
        value: showValue(prefix, data),
        reason: "is not a map of settings",
        origin,
      });
      return [];
    }
    const input = {
      tree: WATCH_OPTIONS,
      prefix,
      data,
      dataOrigin: origin,
      env: {},
      variableOf: () => undefined,
    };
    return [layer(input, context) as unknown as PinnedWatch];
  });
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
