import type { Problem } from "../config-error.ts";
import { nearest } from "../nearest.ts";
import { connectionName } from "./formats.ts";
import { CONNECTION_OPTIONS, envName, type Leaf, leavesOf, OPTIONS } from "./schema.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = "SMB2NATS_";
const CONNECTION_PREFIX = "SMB2NATS_CONNECTIONS_";
/** Hold YAML or JSON text with the shape of the section. */
export const CONNECTIONS_VARIABLE = "SMB2NATS_CONNECTIONS";
export const WATCHES_VARIABLE = "SMB2NATS_WATCHES";
/** Names the configuration file. */
export const CONFIG_VARIABLE = "SMB2NATS_CONFIG";

/**
 * Kubernetes puts variables for every Service into every pod: beside a Service named
 * `smb2nats-gateway`, `SMB2NATS_GATEWAY_PORT` is `tcp://10.0.0.1:8080` and not our setting.
 */
function isServiceLink(name: string, value: string): boolean {
  return (
    /_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$/.test(name) ||
    /_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name) ||
    (/_PORT$/.test(name) && /^(tcp|udp|sctp):\/\//.test(value))
  );
}

/** Our own variables: service links and empty ones (compose files pass those for "not set") left out. */
export function ownVariables(env: Environment): Record<string, string> {
  const own: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || value === undefined || value.trim() === "") continue;
    if (!isServiceLink(name, value)) own[name] = value;
  }
  return own;
}

/** The variable of an option outside `connections` and `watches`. */
export function variableOf(leaf: Leaf): string {
  return leaf.option.env ?? envName(leaf.key);
}

/** The variable of a connection's option; `-` in names becomes `_`. */
export function connectionVariable(name: string, key: string): string {
  return envName(`connections.${name}.${key}`);
}

const CONNECTION_LEAVES = leavesOf(CONNECTION_OPTIONS);

/**
 * Connections that exist only in the environment (`SMB2NATS_CONNECTIONS_NAS1_SERVER`), beyond those
 * the file names.
 */
export function connectionsInEnvironment(own: Environment, known: readonly string[]): string[] {
  const taken = new Set(
    known.flatMap((name) => CONNECTION_LEAVES.map(({ key }) => connectionVariable(name, key))),
  );
  const found = new Set<string>();
  for (const variable of Object.keys(own)) {
    if (!variable.startsWith(CONNECTION_PREFIX) || taken.has(variable)) continue;
    const rest = variable.slice(CONNECTION_PREFIX.length);
    // The longest option wins: `A_PASSWORD_FILE` is `passwordFile` of `a`, were there a `file` too.
    const suffix = CONNECTION_LEAVES.map(({ key }) => `_${envName(key).slice(PREFIX.length)}`)
      .filter((end) => rest.endsWith(end))
      .sort((a, b) => b.length - a.length)[0];
    if (suffix === undefined) continue;
    const name = rest.slice(0, -suffix.length).toLowerCase();
    if (connectionName.problem(name) === undefined) found.add(name);
  }
  return [...found].sort();
}

/** Variables that begin with ours and mean nothing: most likely typos. */
export function unknownVariables(own: Environment, connections: readonly string[]): Problem[] {
  const known = [
    CONFIG_VARIABLE,
    CONNECTIONS_VARIABLE,
    WATCHES_VARIABLE,
    ...leavesOf(OPTIONS).map(variableOf),
    ...connections.flatMap((name) => CONNECTION_LEAVES.map(({ key }) => connectionVariable(name, key))),
  ];
  return Object.keys(own)
    .filter((name) => !known.includes(name))
    .map((name) => {
      const meant = nearest(name, known);
      return {
        key: name,
        reason: "is not a known variable",
        ...(meant === undefined ? {} : { nearest: meant }),
        origin: { source: "env" },
      };
    });
}
