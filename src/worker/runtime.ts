import type { CanonicalPath } from "../base/path.ts";
import type { Listing } from "../fleet/port.ts";
import type { ShareWatch, WatchOverrides } from "../watch/api.ts";

/** What the worker knows of one configured connection. Implemented over SMB in `src/share`, over memory in tests. */
export interface ConnectionRuntime {
  readonly name: string;
  readonly caseSensitive: boolean;
  /** `smb://server/share`, the CloudEvents source. */
  readonly sourceUrl: string;
  /** What the connection's `/` is, for telling whether a picture is of the same. Default `sourceUrl`. */
  readonly identity?: string;
  readonly watches: ShareWatch;
  /** What one watch has otherwise than its connection. */
  overrides?(target: {
    readonly path: CanonicalPath;
    readonly recursive: boolean;
  }): WatchOverrides | undefined;
  /**
   * How long a watch may hold a change back (settling, pairing of renames), ms. An owner that hands over waits this
   * long after its successor is armed, so that nothing it holds back is lost. Default 250.
   */
  readonly quietMs?: number;
  /** One page of a directory, by name. @throws SourceError, BadPathError */
  list(
    request: { readonly path: string; readonly after?: string; readonly limit?: number },
    options: { readonly signal?: AbortSignal | undefined },
  ): Promise<Listing>;
  /** Looks at what a path names, without a listing. @throws SourceError, BadPathError, AbortedError */
  stat?(
    path: CanonicalPath,
    options: { readonly signal?: AbortSignal | undefined },
  ): Promise<{ readonly type: "file" | "directory" }>;
  /** Whether no connection can be made from here until people change something; another worker may fare better. */
  barred?(): boolean;
  close(): Promise<void>;
}
