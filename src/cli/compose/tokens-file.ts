import type { Grant } from "../../gateway/grants.ts";
import type { StaticToken } from "../../gateway/options.ts";
import { isMap, parseYaml } from "../../ops/config/index.ts";
import { ConfigError, type Problem } from "../../ops/config-error.ts";
import { readSecretFile } from "../../ops/secrets.ts";

/** Guessing is hopeless from here on, with the gateway's limits on failed handshakes. */
const SHORTEST_TOKEN = 16;

/**
 * A list of `{ token, name?, grants: [{ connection, path }] }`, YAML or JSON.
 * @throws SecretError, ConfigError; neither quotes a token.
 */
export async function readTokensFile(path: string): Promise<StaticToken[]> {
  const problems: Problem[] = [];
  const parsed = parseYaml((await readSecretFile(path)).secret.reveal(), path, problems);
  const tokens: StaticToken[] = [];
  if (problems.length === 0 && !Array.isArray(parsed))
    problems.push({ key: path, reason: "is not a list of tokens" });
  const entries: readonly unknown[] = Array.isArray(parsed) ? parsed : [];
  const seen = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    const key = `${path}[${index}]`;
    const token = readToken(entry, key, problems);
    if (token === undefined) continue;
    if (seen.has(token.token)) problems.push({ key: `${key}.token`, reason: "is there twice" });
    seen.add(token.token);
    tokens.push(token);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return tokens;
}

function readToken(entry: unknown, key: string, problems: Problem[]): StaticToken | undefined {
  if (!isMap(entry)) {
    problems.push({ key, reason: "is not a map with token and grants" });
    return undefined;
  }
  const { token, name, grants, ...rest } = entry;
  for (const unknown of Object.keys(rest))
    problems.push({ key: `${key}.${unknown}`, reason: "is not a known key" });
  if (typeof token !== "string" || token.length < SHORTEST_TOKEN) {
    problems.push({ key: `${key}.token`, reason: `is not text of at least ${SHORTEST_TOKEN} characters` });
    return undefined;
  }
  if (name !== undefined && typeof name !== "string") {
    problems.push({ key: `${key}.name`, reason: "is not text" });
    return undefined;
  }
  if (!Array.isArray(grants) || !grants.every(isGrant)) {
    problems.push({ key: `${key}.grants`, reason: "is not a list of { connection, path }" });
    return undefined;
  }
  return { token, grants, ...(name === undefined ? {} : { name }) };
}

function isGrant(value: unknown): value is Grant {
  return isMap(value) && typeof value["connection"] === "string" && typeof value["path"] === "string";
}
