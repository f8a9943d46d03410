import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What docs/nats.md recommends, word for word. */
export const RECOMMENDED: string =
  /^```conf\n(# permissions per role\n[\s\S]*?)^```$/m.exec(
    readFileSync(join(import.meta.dirname, "../../../docs/nats.md"), "utf8"),
  )?.[1] ?? "";

/** Its users. */
export const ROLES = ["worker", "gateway", "client", "operator", "service", "browser"] as const;
export type RoleName = (typeof ROLES)[number];
