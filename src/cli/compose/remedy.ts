import { type Remedy, SmbSecurityError } from "../../smb/errors.ts";
import { dialectName } from "../../smb/options.ts";

/** The setting that kept us out, as people set it. */
export interface Advice {
  /** Of the command line; absent where there is none for it. */
  readonly option?: string;
  /** Of a connection in the configuration. */
  readonly setting: string;
  /** What is given up by it. */
  readonly cost: string;
}

/** What would let us in where a server was refused for what we demand, or refuses that. */
export function adviceFor(error: unknown): Advice | undefined {
  let current = error;
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    if (current instanceof SmbSecurityError && current.remedy !== undefined) return inWords(current.remedy);
    current = current.cause;
  }
  return undefined;
}

/** One sentence for whoever sits at a terminal; empty where nothing is known to help. */
export function hintFor(error: unknown): string {
  const advice = adviceFor(error);
  if (advice === undefined) return "";
  const { option, setting, cost } = advice;
  const both = option === undefined ? `\`${setting}\` in a configuration` : `${option} (\`${setting}\`)`;
  return `; ${both} would let it in${cost === "" ? "" : `, ${cost}`}`;
}

function inWords(remedy: Remedy): Advice {
  switch (remedy.option) {
    case "dialects": {
      const name = dialectName(remedy.value);
      const cost = remedy.value < 0x0300 ? "without the protections of SMB 3" : "";
      return { option: `--min-dialect ${name}`, setting: `minDialect: "${name}"`, cost };
    }
    case "signing":
      return pair("signing", remedy.value, "and nothing it says would be proven");
    case "encryption":
      return pair("encryption", remedy.value, remedy.value === "auto" ? "encrypted only where it can" : "");
    case "auth":
      return { setting: `auth: ${remedy.value}`, cost: "" };
  }
}

function pair(name: string, value: string, cost: string): Advice {
  return { option: `--${name} ${value}`, setting: `${name}: ${value}`, cost };
}
