import type { CanonicalPath } from "../base/path.ts";

/** A directory somebody wants to hear of. */
export interface Interest {
  readonly path: CanonicalPath;
  readonly recursive: boolean;
}

/** How interests become handles: see `ShareWatcherOptions.cover`. */
export type CoverPolicy = "auto" | "directory" | "tree";
