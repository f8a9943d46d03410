import { access, constants } from "node:fs/promises";
import { errorCode } from "../../base/errors.ts";
import type { Problem } from "../config-error.ts";
import { readSecretFile, SecretError } from "../secrets.ts";
import type { LoadedConfig } from "./config.ts";
import { CONNECTION_OPTIONS, leavesOf, OPTIONS } from "./schema.ts";

export interface NamedFile {
  /** Key of the configuration that names it. */
  readonly key: string;
  readonly path: string;
  readonly secret: boolean;
}

/** Every file the configuration names, secrets and certificates. */
export function namedFiles({ config }: Pick<LoadedConfig, "config">): NamedFile[] {
  const files: NamedFile[] = [];
  const collect = (tree: object, values: object, prefix: string): void => {
    for (const { key, option } of leavesOf(tree)) {
      if (!key.endsWith("File")) continue;
      const path = key
        .split(".")
        .reduce<unknown>((node, step) => (node as Record<string, unknown>)[step], values);
      if (typeof path === "string")
        files.push({ key: `${prefix}${key}`, path, secret: option.secretFile === true });
    }
  };
  collect(OPTIONS, config, "");
  for (const [name, connection] of Object.entries(config.connections)) {
    collect(CONNECTION_OPTIONS, connection, `connections.${name}.`);
  }
  return files;
}

/** Whether each named file can be used, as `config check` asks. */
export async function secretProblems(
  loaded: LoadedConfig,
): Promise<{ readonly problems: Problem[]; readonly warnings: string[] }> {
  const problems: Problem[] = [];
  const warnings: string[] = [];
  for (const { key, path, secret } of namedFiles(loaded)) {
    try {
      if (secret) {
        const found = await readSecretFile(path);
        warnings.push(...found.warnings.map((warning) => `${key}: ${path} ${warning}`));
      } else await access(path, constants.R_OK);
    } catch (error) {
      const reason =
        error instanceof SecretError && error.cause === undefined
          ? error.message
          : `cannot be read (${errorCode(error instanceof SecretError ? error.cause : error)})`;
      const origin = loaded.origins.get(key);
      problems.push({ key, value: JSON.stringify(path), reason, ...(origin && { origin }) });
    }
  }
  return { problems, warnings };
}
