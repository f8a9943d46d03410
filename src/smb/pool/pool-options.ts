import type { AuthProvider } from "../../auth/provider.ts";
import type { BackoffOptions } from "../../base/async.ts";
import type { CanonicalPath } from "../../base/path.ts";
import type { OpenDirectoryOptions } from "../files/index.ts";
import {
  Compounding,
  type CompoundPolicy,
  type ConnectionOptions,
  DEFAULT_CONNECTION_OPTIONS,
  DEFAULT_TIMEOUTS,
  type Timeouts,
} from "../options.ts";
import type { DialOptions } from "./dial.ts";

/** One configured share. */
export interface ReadyOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told, while it waits, why the last attempt failed; the same reason once. */
  readonly onFailed?: ((failure: Error) => void) | undefined;
}

export interface PoolOpenOptions extends OpenDirectoryOptions {
  /** The path is of the share, not of the connection's root. Default false. */
  readonly above?: boolean;
}

export interface PoolOptions extends Partial<Omit<ConnectionOptions, "host" | "timeouts" | "compounding">> {
  /** Name or address, as the user typed it: it is also what the server is asked to prove. */
  readonly host: string;
  readonly share: string;
  readonly auth: AuthProvider;
  /** Directory of the share that `/` means. Default `/`. */
  readonly root?: CanonicalPath;
  readonly timeouts?: Partial<Timeouts>;
  /** Several requests in one frame. Default `auto`. */
  readonly compound?: CompoundPolicy;
  /** Watch handles on one connection. Default 2,000 on Samba, which has no limit; 200 elsewhere. */
  readonly watchesPerConnection?: number;
  /** Pauses between logins. Default 1 s to 60 s. */
  readonly backoff?: BackoffOptions;
  /** How long a connection without watches is kept, ms. Default 10,000. */
  readonly idleMs?: number;
}

/** Fills in the defaults. `label` defaults to the host. */
export function dialOptions(options: PoolOptions): DialOptions {
  const { auth, share, root, timeouts, watchesPerConnection, backoff, idleMs, compound, ...connection } =
    options;
  return {
    auth,
    share,
    connection: {
      ...DEFAULT_CONNECTION_OPTIONS,
      label: options.host,
      ...connection,
      compounding: new Compounding(compound),
      timeouts: { ...DEFAULT_TIMEOUTS, ...timeouts },
    },
  };
}
