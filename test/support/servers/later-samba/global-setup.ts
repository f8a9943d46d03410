import type { TestProject } from "vitest/node";
import { sambaPrograms } from "../../../../scripts/lab/samba-release.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** Its version, or why there is none. */
    laterSamba: { readonly version?: string; readonly missing?: string };
  }
}

/** Gets Debian 13's Samba once for all files of the project. */
export function setup(project: TestProject): void {
  try {
    const { version } = sambaPrograms("trixie");
    console.error(`later-samba: Samba ${version}`);
    project.provide("laterSamba", { version });
  } catch (error) {
    project.provide("laterSamba", { missing: error instanceof Error ? error.message : String(error) });
  }
}
