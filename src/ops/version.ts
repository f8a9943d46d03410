import { readFileSync } from "node:fs";

export interface Version {
  readonly version: string;
  /** Git commit of the build; unknown when run from sources. */
  readonly commit: string | undefined;
}

/** From the stamp the build leaves in `dist/build-info.json`, else from package.json. */
export function readVersion(): Version {
  const stamp = readJson(new URL("../build-info.json", import.meta.url));
  const source = stamp ?? readJson(new URL("../../package.json", import.meta.url)) ?? {};
  const { version, commit } = source;
  return {
    version: typeof version === "string" ? version : "0.0.0",
    commit: typeof commit === "string" && commit !== "unknown" ? commit : undefined,
  };
}

function readJson(url: URL): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(url, "utf8"));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
