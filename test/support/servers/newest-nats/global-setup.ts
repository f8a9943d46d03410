import type { TestProject } from "vitest/node";
import { newestNats } from "../../../../scripts/lab/newer-nats.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** Its path, or why there is none. */
    newestNats: { readonly path?: string; readonly missing?: string };
  }
}

/** Gets the newest nats-server once for all files of the project. */
export function setup(project: TestProject): void {
  try {
    const { path, version } = newestNats();
    console.error(`nats-newest: nats-server ${version}`);
    project.provide("newestNats", { path });
  } catch (error) {
    project.provide("newestNats", { missing: error instanceof Error ? error.message : String(error) });
  }
}
